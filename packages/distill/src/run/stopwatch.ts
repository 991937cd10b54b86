import type { OnProgress, Phase, ProgressEvent } from './progress.js'

export interface Stopwatch {
  /** Seconds of earlier sessions of the run. */
  before: number
  /** Seconds of the finished parts of this session. */
  parts: Partial<Record<Phase, number>>
  total: () => number
  onProgress: OnProgress
}

/** Times the run, and each part by listening to what it announces. */
export const stopwatch = (listener?: OnProgress): Stopwatch => {
  const start = performance.now()
  const clock: Stopwatch = {
    before: 0,
    parts: {},
    total: () => clock.before + (performance.now() - start) / 1000,
    onProgress: (event: ProgressEvent) => {
      if (event.type === 'done') clock.parts[event.phase] = event.seconds
      listener?.(event)
    },
  }
  return clock
}
