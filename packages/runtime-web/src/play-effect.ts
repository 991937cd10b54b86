import { FxError } from '@fx/core'
import type { Effect, RunOptions } from './load-effect.js'

export interface PlayOptions {
  /** Stops the loop. */
  signal?: AbortSignal
  /** Called before each frame, so that a slider takes effect at once. */
  parameters?: () => RunOptions['parameters']
  /** Called after each painted frame. */
  onFrame?: () => void
}

/** A running loop. */
export interface EffectPlayer {
  stop(): void
  /** Resolves when the loop has stopped, or the effect was disposed; rejects with the error that ended it. */
  readonly done: Promise<void>
}

/** Calls back at the video's next frame, or where the browser cannot tell, at the display's. Returns how to cancel. */
const nextFrame = (video: HTMLVideoElement, callback: () => void): (() => void) => {
  if ('requestVideoFrameCallback' in video) {
    const id = video.requestVideoFrameCallback(callback)
    return () => video.cancelVideoFrameCallback(id)
  }
  const id = requestAnimationFrame(callback)
  return () => cancelAnimationFrame(id)
}

/**
 * Paints the effect of every frame of a playing video onto the canvas. A frame is asked for only when the last one is
 * painted, so a slow device shows fewer frames, never old ones. The video and its stream stay the caller's.
 */
export const playEffect = (
  effect: Effect,
  video: HTMLVideoElement,
  canvas: HTMLCanvasElement | OffscreenCanvas,
  { signal, parameters, onFrame }: PlayOptions = {},
): EffectPlayer => {
  let stopped = false
  let cancel = (): void => {}
  let stop = (): void => {}
  const done = new Promise<void>((resolve, reject) => {
    stop = () => {
      stopped = true
      cancel()
      signal?.removeEventListener('abort', stop)
      resolve()
    }
    const frame = async (): Promise<void> => {
      try {
        if (video.readyState >= video.HAVE_CURRENT_DATA) {
          const painted = await effect.draw(video, canvas, { parameters: parameters?.() })
          if (painted && !stopped) onFrame?.()
        }
      } catch (error) {
        if (!stopped && !FxError.isInstance(error, 'aborted')) reject(error)
        stop()
      }
      if (!stopped) cancel = nextFrame(video, () => void frame())
    }
    signal?.addEventListener('abort', stop)
    if (signal?.aborted) stop()
    else cancel = nextFrame(video, () => void frame())
  })
  return { stop: () => stop(), done }
}
