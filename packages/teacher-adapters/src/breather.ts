/**
 * Computing is synchronous and a stream of pairs would otherwise run on microtasks alone: without a turn of the event
 * loop now and then, no timer, signal or key press would ever get through to abort it.
 */
export const breather = (): (() => Promise<void>) => {
  let last = performance.now()
  return async () => {
    if (performance.now() - last < 10) return
    await new Promise(resolve => setTimeout(resolve))
    last = performance.now()
  }
}
