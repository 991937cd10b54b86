import { type EffectBundleManifest, FxError, type FxErrorCode } from '@fx/core'
import type { ChooseEngineOptions, EngineTrial } from '../engine/types.js'
import type { Frame } from '../frame/frame.js'
import type { Look, Rendered, RunResult } from '../frame/renderer.js'
import type { EngineReport } from '../frame/students.js'

/** How an engine is started, once every URL is absolute. */
export type StartOptions = Omit<ChooseEngineOptions, 'signal' | 'size' | 'except'>

/** What is known of a bundle before its engine starts. */
export interface Read {
  manifest: EffectBundleManifest
  /** SHA-256 of `effect.json`, hex. */
  hash: string
}

/** What is known of an effect once its engine has started. */
export interface Started {
  takesParameters: boolean
  engine: EngineReport
  tried: readonly EngineTrial[]
}

/** What the page may ask the worker, and the answers: first `read`, then `start`. */
export interface Calls {
  read: { ask: { url: string }; answer: Read }
  start: { ask: { options: StartOptions }; answer: Started }
  run: { ask: { frame: Frame; values: readonly number[] }; answer: RunResult }
  render: { ask: { frame: Frame; look: Look }; answer: Rendered }
  open: { ask: { size: number }; answer: undefined }
  close: { ask: { size: number }; answer: undefined }
}

export type Request = { [Name in keyof Calls]: { id: number; call: Name } & Calls[Name]['ask'] }[keyof Calls]

export type Response = { id: number; answer: Calls[keyof Calls]['answer'] } | { id: number; error: ErrorMessage }

/** An error as it can cross to another thread: structured cloning keeps neither the code nor the marker. */
export interface ErrorMessage {
  code: FxErrorCode | undefined
  message: string
  details: Record<string, unknown>
}

export const toMessage = (error: unknown): ErrorMessage =>
  FxError.isInstance(error)
    ? { code: error.code, message: error.message, details: { ...error.details } }
    : { code: undefined, message: error instanceof Error ? error.message : String(error), details: {} }

export const fromMessage = ({ code, message, details }: ErrorMessage): Error =>
  code === undefined ? new Error(message) : new FxError(code, message, { details })
