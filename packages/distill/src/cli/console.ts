import cliProgress from 'cli-progress'
import type { OnProgress, Phase, ProgressEvent } from '../run/progress.js'

export interface ConsoleOptions {
  /** Print nothing but errors. */
  quiet?: boolean
  /** Where lines go. Default: stderr, so that stdout stays free for results. */
  stream?: NodeJS.WriteStream
}

/** A listener for `distill`; `close` takes a bar that a failed run has left off the screen. */
export type ConsoleProgress = OnProgress & { close(): void }

/** Plain lines at most this often. */
const LINE_EVERY_MS = 10_000

const duration = (seconds: number): string => {
  if (!Number.isFinite(seconds)) return '?'
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`
  return `${Math.floor(seconds / 60)} min ${String(Math.round(seconds % 60)).padStart(2, '0')} s`
}

const figures = (values: Record<string, number> = {}): string =>
  values.loss === undefined
    ? Object.entries(values)
        .map(([name, value]) => `${name} ${value.toPrecision(3)}`)
        .join(', ')
    : `loss ${values.loss.toFixed(4)}`

/** Rate and time left of a part, from what it has done since it was first heard of. */
const pace = (): ((done: number, total: number) => string) => {
  const start = performance.now()
  let first: number | undefined
  return (done, total) => {
    first ??= done
    const seconds = (performance.now() - start) / 1000
    if (done === first || seconds === 0) return ''
    const rate = (done - first) / seconds
    return `${rate.toFixed(rate < 10 ? 2 : 0)}/s, ${duration((total - done) / rate)} left`
  }
}

/**
 * Shows a run's progress on a terminal as a bar with rate and time left, and as plain lines elsewhere. Every part ends in
 * one line that says what it did.
 */
export const consoleProgress = (options: ConsoleOptions = {}): ConsoleProgress => {
  const { quiet = false, stream = process.stderr } = options
  if (quiet) return Object.assign(() => {}, { close: () => {} })
  const line = (text: string): void => void stream.write(`${text}\n`)
  let bar: cliProgress.SingleBar | undefined
  let rate = pace()
  let lastLine = 0
  const stop = (): void => {
    bar?.stop()
    bar = undefined
  }
  const progress = (phase: Phase, done: number, total: number, values?: Record<string, number>): void => {
    const state = [rate(done, total), figures(values)].filter(Boolean).join(', ')
    if (stream.isTTY) {
      if (!bar) {
        bar = new cliProgress.SingleBar({
          format: `${phase.padEnd(10)} {bar} {value}/{total}  {state}`,
          barCompleteChar: '█',
          barIncompleteChar: '░',
          hideCursor: true,
          clearOnComplete: true,
          stream,
        })
        bar.start(total, done, { state })
      }
      bar.update(done, { state })
    } else if (performance.now() - lastLine >= LINE_EVERY_MS && done < total) {
      lastLine = performance.now()
      line(`${phase.padEnd(10)} ${done}/${total}  ${state}`)
    }
  }
  const listen = (event: ProgressEvent): void => {
    if (event.type === 'start') {
      rate = pace()
      lastLine = performance.now()
    } else if (event.type === 'progress') progress(event.phase, event.done, event.total, event.values)
    else {
      stop()
      if (event.type === 'note') line(event.message)
      else line(`${event.phase.padEnd(10)} ${event.message} (${duration(event.seconds)})`)
    }
  }
  return Object.assign(listen, { close: stop })
}
