import type { Feed } from './feed.js'
import { videoFeed } from './video-feed.js'

/** The part of Chromium's MediaStreamTrackProcessor that is used; TypeScript has no types for it. */
type TrackProcessor = new (options: {
  track: MediaStreamTrack
  maxBufferSize?: number
}) => {
  readable: ReadableStream<VideoFrame>
}

/** The frames of a track through a video element that nobody sees, for browsers that give them no other way. */
const playedFeed = (track: MediaStreamTrack): Feed => {
  const video = document.createElement('video')
  video.muted = true
  video.playsInline = true
  video.srcObject = new MediaStream([track])
  // Rejected when it is stopped before it plays.
  video.play().catch(() => {})
  const feed = videoFeed(video)
  const stop = (): void => {
    track.removeEventListener('ended', stop)
    feed.stop()
    video.srcObject = null
  }
  track.addEventListener('ended', stop)
  if (track.readyState === 'ended') stop()
  return { ...feed, stop }
}

/** What Chromium tells of a track; TypeScript has no types for it. */
interface TrackStats {
  stats?: { totalFrames: number }
}

/**
 * The frames of a track as a processor gives them, which keeps the newest by itself. None is read ahead: while a page has a
 * camera's frame Chromium may keep all later ones back, and the one that was read ahead would be an old one.
 */
const processedFeed = (track: MediaStreamTrack, Processor: TrackProcessor): Feed => {
  const reader = new Processor({ track, maxBufferSize: 1 }).readable.getReader()
  const total = (): number => (track as TrackStats).stats?.totalFrames ?? 0
  const before = total()
  let given = 0
  let stopped = false
  return {
    next: async () => {
      const { done, value } = await reader.read()
      if (done) return undefined
      if (stopped) {
        value.close()
        return undefined
      }
      given++
      return { frame: value, at: performance.now(), repeated: false }
    },
    refresh: () => {},
    // The last frame may wait in the processor.
    dropped: () => Math.max(0, total() - before - given - 1),
    stop: () => {
      stopped = true
      reader.cancel().catch(() => {})
    },
  }
}

/**
 * The frames of a video track, until it ends. MediaStreamTrackProcessor gives them with no detour through an element, in a
 * hidden tab too.
 */
export const trackFeed = (track: MediaStreamTrack): Feed => {
  const Processor = (globalThis as { MediaStreamTrackProcessor?: TrackProcessor }).MediaStreamTrackProcessor
  return Processor === undefined ? playedFeed(track) : processedFeed(track, Processor)
}
