let last: Promise<unknown> = Promise.resolve()

/**
 * Runs `work` when all that was given before is done. Starting an engine changes things that belong to the whole thread
 * (tfjs's current backend, what the browser tells of its cores), so engines start one after the other.
 */
export const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
  const result = last.then(work)
  last = result.catch(() => {})
  return result
}
