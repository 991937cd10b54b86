import { createBell, type Feed } from './feed.js'
import { frameOf } from './picture.js'

/** Calls back for every frame that the video shows, or where the browser cannot tell, that the display shows. */
const watchFrames = (video: HTMLVideoElement, callback: (presented: number | undefined) => void): (() => void) => {
  let cancel = (): void => {}
  if ('requestVideoFrameCallback' in video) {
    const wait = (): void => {
      const id = video.requestVideoFrameCallback((_, { presentedFrames }) => {
        wait()
        callback(presentedFrames)
      })
      cancel = () => video.cancelVideoFrameCallback(id)
    }
    wait()
  } else {
    let shown = -1
    const wait = (): void => {
      const id = requestAnimationFrame(() => {
        wait()
        const time = (video as HTMLVideoElement).currentTime
        if (time === shown) return
        shown = time
        callback(undefined)
      })
      cancel = () => cancelAnimationFrame(id)
    }
    wait()
  }
  return () => cancel()
}

/** The frames that a video shows. In a hidden tab there are none. */
export const videoFeed = (video: HTMLVideoElement): Feed => {
  const bell = createBell()
  let stopped = false
  let waiting = false
  let dropped = 0
  let lastPresented: number | undefined
  /** Whether the next picture is one that was not given before. */
  let fresh = true
  const unwatch = watchFrames(video, presented => {
    // Frames that the browser showed without telling, and the one that was not taken before this came.
    if (presented !== undefined && lastPresented !== undefined) dropped += presented - lastPresented - 1
    lastPresented = presented
    if (fresh && !waiting) dropped++
    fresh = true
    bell.ring()
  })
  // What it shows already, should it be paused.
  bell.ring()
  return {
    next: async () => {
      for (;;) {
        waiting = true
        await bell.wait()
        waiting = false
        if (stopped) return undefined
        if (video.readyState < video.HAVE_CURRENT_DATA || video.videoWidth === 0) continue
        const repeated = !fresh
        fresh = false
        const at = performance.now()
        try {
          return { frame: await frameOf(video), at, repeated }
        } catch (error) {
          // The picture may be gone for a moment, when the video has just begun or goes back to its start: the next will do.
          if (((error as Error).cause as Error | undefined)?.name !== 'InvalidStateError') throw error
          fresh = true
        }
      }
    },
    refresh: () => {
      if (video.paused || video.ended) bell.ring()
    },
    dropped: () => dropped,
    stop: () => {
      stopped = true
      unwatch()
      bell.ring()
    },
  }
}
