import type { Frame } from '../frame/frame.js'

/** A picture of a feed. */
export interface Taken {
  /** Whoever takes it closes it. */
  frame: Frame
  /** When the frame was taken, by `performance.now()`: capturing it is part of its latency. */
  at: number
  /** Whether the picture is the one before, again. */
  repeated: boolean
}

/** The frames of a source, the newest alone: what nobody took in time is closed and counted. */
export interface Feed {
  /**
   * The newest frame that was not given before; waits until there is one. One call at a time.
   *
   * @returns undefined when the source has ended or the feed was stopped.
   * @throws FxError `invalid-argument` for a picture that may not be read.
   */
  next(): Promise<Taken | undefined>
  /** Gives the present picture once more where the source will not bring a new one by itself: a still, a paused video. */
  refresh(): void
  /** Frames that newer ones overtook. */
  dropped(): number
  /** Ends the feed: a pending `next` gives undefined. What the source is made of stays the caller's. */
  stop(): void
}

/** Lets one waiter wait until it is rung, at once when that happened before. */
export const createBell = () => {
  let rung = false
  let wake: (() => void) | undefined
  return {
    ring: (): void => {
      rung = true
      wake?.()
    },
    wait: async (): Promise<void> => {
      if (!rung) await new Promise<void>(resolve => (wake = resolve))
      wake = undefined
      rung = false
    },
  }
}
