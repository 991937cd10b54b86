import { FxError } from '@fx/core'
import type { Canvas } from './painter.js'

/** The tracks that were made of a canvas, which end together. */
export const createCanvasTracks = (canvas: Canvas) => {
  const tracks: MediaStreamTrack[] = []
  return {
    /** @throws FxError `unsupported` where a canvas cannot be captured. */
    open: (frameRate: number | undefined): MediaStreamTrack => {
      if (!('captureStream' in canvas)) {
        const what = typeof HTMLCanvasElement !== 'undefined' && canvas instanceof HTMLCanvasElement
        throw new FxError(
          'unsupported',
          `${what ? 'This browser' : 'An OffscreenCanvas'} has no captureStream, which a track needs`,
        )
      }
      const track = canvas.captureStream(frameRate).getVideoTracks()[0]!
      tracks.push(track)
      return track
    },
    end: (): void => {
      for (const track of tracks) track.stop()
    },
  }
}
