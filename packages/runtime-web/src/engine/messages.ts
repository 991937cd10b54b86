import { type EffectBundleManifest, FxError, type FxErrorCode } from '@fx/core'
import type { Frame } from '../frame/capture.js'
import type { BackendOptions } from './types.js'

/** From the page to the worker. The first message is `load`. */
export type Request =
  | { type: 'load'; url: string; options: BackendOptions }
  | { type: 'run'; id: number; frame: Frame; parameters: Record<string, number> }

/** From the worker to the page. */
export type Response =
  | { type: 'loaded'; manifest: EffectBundleManifest; backend: { name: string; threads: number } }
  | { type: 'load-failed'; error: ErrorMessage }
  | { type: 'result'; id: number; pixels: Uint8ClampedArray<ArrayBuffer> }
  | { type: 'run-failed'; id: number; error: ErrorMessage }

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
