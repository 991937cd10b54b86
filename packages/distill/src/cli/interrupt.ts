/** Exit status of a program ended by SIGINT, by the shells' convention. */
export const INTERRUPTED = 130

/**
 * A signal that fires at the first Ctrl-C, so that work can stop cleanly. A second Ctrl-C ends the process at once.
 */
export const onInterrupt = (notice: string): { signal: AbortSignal; release: () => void } => {
  const controller = new AbortController()
  const listener = (): void => {
    if (controller.signal.aborted) process.exit(INTERRUPTED)
    console.error(notice)
    controller.abort()
  }
  process.on('SIGINT', listener)
  process.on('SIGTERM', listener)
  return {
    signal: controller.signal,
    release: () => {
      process.off('SIGINT', listener)
      process.off('SIGTERM', listener)
    },
  }
}
