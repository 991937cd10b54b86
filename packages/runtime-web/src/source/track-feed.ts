import type { Feed } from './feed.js'
import { streamFeed } from './stream-feed.js'
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

/**
 * The frames of a video track, until it ends. MediaStreamTrackProcessor gives them with no detour through an element, in a
 * hidden tab too.
 */
export const trackFeed = (track: MediaStreamTrack): Feed => {
  const Processor = (globalThis as { MediaStreamTrackProcessor?: TrackProcessor }).MediaStreamTrackProcessor
  if (Processor === undefined) return playedFeed(track)
  const { readable } = new Processor({ track, maxBufferSize: 1 })
  const feed = streamFeed(readable)
  return {
    ...feed,
    stop: () => {
      feed.stop()
      readable.cancel().catch(() => {})
    },
  }
}
