/**
 * Lets one task at a time run and keeps only the newest of those that wait: a display that falls behind skips frames
 * instead of showing ever older ones.
 *
 * The promise of a task that was overtaken while it waited resolves to `false`.
 */
export const newestWins = (): ((task: () => Promise<void>) => Promise<boolean>) => {
  let busy = false
  let waiting: { start: () => void; skip: () => void } | undefined
  return async task => {
    if (busy) {
      waiting?.skip()
      const runs = await new Promise<boolean>(resolve => {
        waiting = { start: () => resolve(true), skip: () => resolve(false) }
      })
      if (!runs) return false
    }
    busy = true
    try {
      await task()
      return true
    } finally {
      const next = waiting
      waiting = undefined
      if (next === undefined) busy = false
      else next.start()
    }
  }
}
