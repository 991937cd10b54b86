import { FxError } from '@fx/core'
import { type Camera, type CameraState, isCamera } from './camera.js'
import { cameraFeed } from './camera-feed.js'
import type { Feed } from './feed.js'
import { classOf, type EffectSource, noSource, pictureClasses } from './picture.js'
import { canvasFeed, stillFeed } from './picture-feed.js'
import { streamFeed } from './stream-feed.js'
import { trackFeed } from './track-feed.js'
import { videoFeed } from './video-feed.js'

/** What an effect can be played on. A stream's frames are closed by the player; all else stays the caller's. */
export type PlayerSource = EffectSource | Camera | MediaStream | MediaStreamTrack | ReadableStream<VideoFrame>

const playable = [...pictureClasses, 'MediaStream', 'MediaStreamTrack', 'ReadableStream'] as const

const videoTrack = (stream: MediaStream): MediaStreamTrack => {
  const track = stream.getVideoTracks()[0]
  if (track === undefined) throw new FxError('invalid-argument', 'The MediaStream has no video track')
  return track
}

const checkKind = (track: MediaStreamTrack): MediaStreamTrack => {
  if (track.kind !== 'video') {
    throw new FxError('invalid-argument', `The MediaStreamTrack is of kind '${track.kind}', allowed is 'video'`)
  }
  return track
}

/** @throws FxError `invalid-argument` for something that is no source. */
export const openFeed = (source: PlayerSource, onCamera: (state: CameraState) => void): Feed => {
  if (isCamera(source)) return cameraFeed(source, onCamera)
  const name = classOf(source, playable)
  switch (name) {
    case undefined:
      throw noSource(source, ['openCamera()', ...playable])
    case 'HTMLVideoElement':
      return videoFeed(source as HTMLVideoElement)
    case 'HTMLCanvasElement':
    case 'OffscreenCanvas':
      return canvasFeed(source as HTMLCanvasElement | OffscreenCanvas)
    case 'MediaStream':
      return trackFeed(videoTrack(source as MediaStream))
    case 'MediaStreamTrack':
      return trackFeed(checkKind(source as MediaStreamTrack))
    case 'ReadableStream':
      if ((source as ReadableStream).locked) throw new FxError('invalid-argument', 'The ReadableStream is locked')
      return streamFeed(source as ReadableStream<VideoFrame>)
    default:
      return stillFeed(source as EffectSource)
  }
}
