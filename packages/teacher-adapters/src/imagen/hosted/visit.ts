import { cutShort } from './order.js'

/** One consumer's visit to the service: what it started ends with it. */
export interface Visit {
  /** Set when no further attempt shall start, while those on the wire may end. */
  closing: boolean
  /** Attempts on the wire, each until its answer is kept. */
  readonly sent: Set<Promise<unknown>>
  /** Questions under way, by their cache keys: equal photographs are asked for once. */
  readonly asking: Map<string, Promise<unknown>>
  /** @throws the signal's reason when that fires. */
  job<T>(work: (job: Job) => Promise<T>): Promise<T>
  /** Lets what is on the wire come in, unless the signal fires, then drops the rest. */
  leave(): Promise<void>
}

/** The work on one source. Each has a signal of its own, for hundreds would listen to that of the visit. */
export interface Job {
  readonly visit: Visit
  /** Fires to cut it short at once. */
  readonly signal: AbortSignal
}

/**
 * @param outer cuts short everything when it fires.
 * @param cuts where the visit leaves, while it lasts, a function that does the same.
 */
export const openVisit = (outer: AbortSignal | undefined, cuts: Set<() => void>): Visit => {
  const jobs = new Set<AbortController>()
  let over = false
  let end = () => {}
  const ended = new Promise<void>(resolve => {
    end = resolve
  })
  const cut = () => {
    over = true
    end()
    for (const controller of jobs) controller.abort(outer?.reason)
  }
  if (outer?.aborted) cut()
  outer?.addEventListener('abort', cut)
  cuts.add(cut)

  const visit: Visit = {
    closing: false,
    sent: new Set(),
    asking: new Map(),
    async job(work) {
      const controller = new AbortController()
      const { signal } = controller
      if (over) controller.abort(outer?.reason)
      jobs.add(controller)
      try {
        return await cutShort(work({ visit, signal }), signal)
      } finally {
        jobs.delete(controller)
      }
    },
    async leave() {
      visit.closing = true
      await Promise.race([Promise.allSettled(visit.sent), ended])
      cut()
      outer?.removeEventListener('abort', cut)
      cuts.delete(cut)
    },
  }
  return visit
}
