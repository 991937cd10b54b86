import { type ConformanceCase, ConformanceFailure, check, told } from './case.js'
import type { ResolvedOptions } from './options.js'
import { openSession } from './session.js'

/** How a case went. */
export type Outcome =
  | { status: 'passed' }
  | { status: 'failed'; error: Error }
  /** Freed by a declared capability, or not to be judged because an earlier case failed. */
  | { status: 'skipped' | 'not judged'; reason: string }

export interface Runner {
  /** Runs a case, and before it those that it needs, each once. Never throws. */
  outcome(conformanceCase: ConformanceCase): Promise<Outcome>
  close(): Promise<void>
}

/** Judges one adapter, by any number of cases. */
export const createRunner = (options: ResolvedOptions): Runner => {
  const session = openSession(options)
  const outcomes = new Map<ConformanceCase, Promise<Outcome>>()

  const inTime = async (work: Promise<void>): Promise<void> => {
    let timer: ReturnType<typeof setTimeout> | undefined
    const late = new Promise<boolean>(resolve => {
      timer = setTimeout(() => resolve(false), options.timeout)
    })
    try {
      check(await Promise.race([work.then(() => true), late]), `took longer than ${options.timeout} ms (see timeout)`)
    } finally {
      clearTimeout(timer)
    }
  }

  const judge = async (each: ConformanceCase): Promise<Outcome> => {
    for (const needed of each.after ?? []) {
      const { status } = await outcome(needed)
      if (status === 'failed' || status === 'not judged') {
        return { status: 'not judged', reason: `not judged, because ${needed.number} (${needed.name}) failed` }
      }
    }
    try {
      const reason = await each.exempt?.(session)
      if (reason !== undefined) return { status: 'skipped', reason }
      await inTime(each.run(session))
      return { status: 'passed' }
    } catch (error) {
      const what = error instanceof ConformanceFailure ? error.message : `threw ${told(error)}`
      return { status: 'failed', error: new Error(`${each.number}: the adapter ${what}`, { cause: error }) }
    }
  }

  const outcome = (each: ConformanceCase): Promise<Outcome> => {
    const known = outcomes.get(each) ?? judge(each)
    outcomes.set(each, known)
    return known
  }

  return { outcome, close: () => session.close() }
}
