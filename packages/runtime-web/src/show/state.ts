import { FxError } from '@fx/core'
import type { PlayerState } from '../player/state.js'

/** Why a show failed, in so far as a visitor would do something else about it. The error tells the developer more. */
export type FailureReason =
  /** The visitor, the system or the page's permissions policy forbids it. */
  | 'camera-refused'
  | 'camera-missing'
  | 'camera-in-use'
  /** A page without HTTPS. */
  | 'camera-insecure'
  /** The video or picture cannot be had, or not be read. */
  | 'source'
  /** No network, or the server fails. */
  | 'offline'
  | 'effect-missing'
  /** Truncated, changed, or something else in its place. */
  | 'effect-damaged'
  /** Written for a newer version of this package. */
  | 'effect-newer'
  /** This browser or device lacks something. */
  | 'browser'
  | 'other'

/** What an effect that is shown is doing, and why: the states of a player, and those around it. */
export type ShowState =
  /** Nothing runs: it was not started, was stopped, or its source has ended. */
  | { kind: 'ready'; reason: 'stopped' | 'ended'; message: string }
  /** `camera` while the browser may be asking the visitor. */
  | { kind: 'starting'; reason: 'camera' | 'effect'; message: string }
  | Exclude<PlayerState, { kind: 'failed' }>
  /** Another effect is on the canvas. */
  | { kind: 'running'; reason: 'effect-changed'; message: string }
  | { kind: 'failed'; reason: FailureReason; message: string; error: FxError }

/** What failed: getting the source, getting the effect, playing. */
export type Part = 'source' | 'effect' | 'player'

const cameraReasons: Record<string, FailureReason> = {
  refused: 'camera-refused',
  insecure: 'camera-insecure',
  none: 'camera-missing',
  'unknown-device': 'camera-missing',
  'in-use': 'camera-in-use',
  unknown: 'camera-in-use',
}

const effectReasons: Partial<Record<FxError['code'], FailureReason>> = {
  'not-found': 'effect-missing',
  'service-failed': 'offline',
  'corrupt-file': 'effect-damaged',
  'checksum-mismatch': 'effect-damaged',
  'newer-version': 'effect-newer',
  unsupported: 'browser',
  'backend-unavailable': 'browser',
}

const reasonOf = (part: Part, { code, details }: FxError): FailureReason => {
  if (part === 'source') return cameraReasons[String(details.reason)] ?? 'source'
  // What a player finds wrong with its arguments is a picture that may not be read.
  if (part === 'player' && code === 'invalid-argument') return 'source'
  return effectReasons[code] ?? 'other'
}

export const failedState = (part: Part, cause: unknown): ShowState => {
  const message = cause instanceof Error ? cause.message : String(cause)
  const error = FxError.isInstance(cause) ? cause : new FxError('service-failed', message, { cause })
  return { kind: 'failed', reason: reasonOf(part, error), message, error }
}
