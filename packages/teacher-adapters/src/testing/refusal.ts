import { FxError, type FxErrorCode, listed } from '@fx/core'
import type { PairRequest, TeacherAdapter } from '../contract/types.js'
import { check, told } from './case.js'
import type { Session } from './session.js'

/** What the first step of a request comes to. */
export const firstStep = async (
  adapter: TeacherAdapter,
  request: PairRequest,
): Promise<{ gave: 'a pair' | 'no pair' } | { error: unknown }> => {
  try {
    const pairs = adapter.pairs(request)[Symbol.asyncIterator]()
    const { done } = await pairs.next()
    await pairs.return?.()
    return { gave: done ? 'no pair' : 'a pair' }
  } catch (error) {
    return { error }
  }
}

/** Passes when the request is refused before its first pair, with a typed error of one of these codes. */
export const expectRefusal = async (
  session: Session,
  what: string,
  request: PairRequest,
  codes: readonly FxErrorCode[],
): Promise<void> => {
  const step = await firstStep(await session.teacher(), request)
  check('error' in step, () => `gave ${(step as { gave: string }).gave} for ${what}; it must refuse it`)
  const right = codes.some(code => FxError.isInstance(step.error, code))
  check(right, () => `refused ${what} with ${told(step.error)}; it must be an FxError ${listed(codes)}`)
}
