import { createBell, type Feed } from './feed.js'
import { type EffectSource, frameOf } from './picture.js'

/** A picture that does not change by itself: once, and again whenever it is asked for. */
export const stillFeed = (source: EffectSource): Feed => {
  const bell = createBell()
  let stopped = false
  let given = false
  bell.ring()
  return {
    next: async () => {
      await bell.wait()
      if (stopped) return undefined
      const at = performance.now()
      const frame = await frameOf(source)
      const repeated = given
      given = true
      return { frame, at, repeated }
    },
    refresh: bell.ring,
    dropped: () => 0,
    stop: () => {
      stopped = true
      bell.ring()
    },
  }
}

/** A canvas, whose picture may change whenever the display's does. */
export const canvasFeed = (source: HTMLCanvasElement | OffscreenCanvas): Feed => {
  const bell = createBell()
  let stopped = false
  let request = 0
  return {
    next: async () => {
      if (!stopped) request = requestAnimationFrame(bell.ring)
      await bell.wait()
      if (stopped) return undefined
      const at = performance.now()
      return { frame: await frameOf(source), at, repeated: false }
    },
    refresh: () => {},
    dropped: () => 0,
    stop: () => {
      stopped = true
      cancelAnimationFrame(request)
      bell.ring()
    },
  }
}
