import { FxError } from '@fx/core'
import type { Session } from './session.js'

/** One thing that an adapter owes the contract. */
export interface ConformanceCase {
  /** `T01` and on: stays with the case, so that a report can be looked up. */
  number: string
  /** What the adapter does, for instance `yields in the order of the seeds`. */
  name: string
  /** Cases without which this one cannot be judged: one defect is one failure. */
  after?: readonly ConformanceCase[]
  /** The declared capability that frees an adapter from this case, in words; else undefined. */
  exempt?(session: Session): Promise<string | undefined>
  /** Throws when the adapter fails. */
  run(session: Session): Promise<void>
}

/** What an adapter does wrong, after the words "the adapter". */
export class ConformanceFailure extends Error {
  override readonly name = 'ConformanceFailure'
}

/** @throws ConformanceFailure with the message, which goes on after "the adapter", unless `holds`. */
export function check(holds: boolean, message: string | (() => string)): asserts holds {
  if (!holds) throw new ConformanceFailure(typeof message === 'string' ? message : message())
}

/** An error for a report: whether it is typed, its code, its message. */
export const told = (error: unknown): string => {
  if (FxError.isInstance(error)) return `FxError '${error.code}': ${error.message}`
  return error instanceof Error
    ? `${error.name}: ${error.message} (not an FxError)`
    : `${String(error)} (not an FxError)`
}

/** Computes at the first call, and gives the same promise ever after. */
export const once = <T>(compute: () => Promise<T>): (() => Promise<T>) => {
  let result: Promise<T> | undefined
  return () => {
    result ??= compute()
    return result
  }
}

/** `once`, for each key. */
export const onceEach = <T>(compute: (key: string) => Promise<T>): ((key: string) => Promise<T>) => {
  const results = new Map<string, Promise<T>>()
  return key => {
    const result = results.get(key) ?? compute(key)
    results.set(key, result)
    return result
  }
}
