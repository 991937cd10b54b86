/**
 * What `start` makes of each value, in their order, while up to `ahead` of them are under way. Once one fails no further
 * one is started; those under way are the caller's to end.
 */
export async function* inOrder<T, R>(
  values: Iterable<T>,
  ahead: number,
  start: (value: T) => Promise<R>,
): AsyncGenerator<R> {
  const waiting: Promise<R>[] = []
  const iterator = values[Symbol.iterator]()
  let ended = false
  try {
    while (true) {
      while (!ended && waiting.length < ahead) {
        const next = iterator.next()
        if (next.done) ended = true
        else {
          const job = start(next.value)
          // A later one may fail before anybody waits for it.
          job.catch(() => {})
          waiting.push(job)
        }
      }
      const first = waiting.shift()
      if (!first) return
      yield await first
    }
  } finally {
    if (!ended) iterator.return?.()
  }
}

/** The promise, unless the signal fires first. */
export const cutShort = <T>(promise: Promise<T>, signal: AbortSignal): Promise<T> =>
  new Promise((resolve, reject) => {
    const cut = () => reject(signal.reason)
    if (signal.aborted) cut()
    signal.addEventListener('abort', cut, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', cut))
  })
