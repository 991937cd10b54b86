import { FxError } from '@fx/core'

export const abortedError = (signal: AbortSignal | undefined): FxError =>
  new FxError('aborted', 'Loading the effect was aborted', { cause: signal?.reason })

/** Throws FxError `aborted` when the caller's signal has fired. */
export const throwIfAborted = (signal: AbortSignal | undefined): void => {
  if (signal?.aborted) throw abortedError(signal)
}
