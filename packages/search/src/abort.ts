import { FxError } from '@fx/core'

/** Ends the work when the caller asked for it. */
export const throwIfAborted = (signal: AbortSignal | undefined): void => {
  if (signal?.aborted) throw new FxError('aborted', 'Stopped; what was found so far is kept')
}
