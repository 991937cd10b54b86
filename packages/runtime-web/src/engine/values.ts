import { FxError } from '@fx/core'
import type { EngineName } from './types.js'

/** @throws FxError `invalid-argument` unless there is one finite value for each parameter that the student takes. */
export const checkValues = (values: readonly number[], parameters: number): void => {
  if (values.length !== parameters || !values.every(Number.isFinite)) {
    throw new FxError(
      'invalid-argument',
      `The student got the values [${values}], allowed are ${parameters} finite numbers, one for each parameter`,
    )
  }
}

export const messageOf = (error: unknown): string => {
  const message = (error as { message?: unknown } | null)?.message
  return (typeof message === 'string' ? message : String(error)).split('\n')[0]!
}

/** What a run fails with when its engine is of no use any more. */
export const engineDied = (engine: EngineName, cause: unknown): FxError =>
  new FxError('backend-unavailable', `The ${engine} engine failed: ${messageOf(cause)}`, {
    cause,
    details: { engine },
  })

/** Does what may fail in an engine that has died. */
export const quietly = (work: () => void): void => {
  try {
    work()
  } catch {}
}
