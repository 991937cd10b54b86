import { FxError } from '@fx/core'

/** Throws FxError `aborted` when the caller's signal has fired. */
export const throwIfAborted = (signal: AbortSignal | undefined): void => {
  if (signal?.aborted) throw new FxError('aborted', 'Loading the effect was aborted', { cause: signal.reason })
}
