import { FxError, listed } from '@fx/core'
import type { Frame } from './frame/capture.js'

/** A picture to run an effect on. A video gives the frame that it shows. */
export type EffectSource =
  | HTMLImageElement
  | HTMLCanvasElement
  | HTMLVideoElement
  | OffscreenCanvas
  | ImageBitmap
  | VideoFrame
  | ImageData

const allowed = [
  'HTMLImageElement',
  'HTMLCanvasElement',
  'HTMLVideoElement',
  'OffscreenCanvas',
  'ImageBitmap',
  'VideoFrame',
  'ImageData',
] as const

/** Which of the allowed classes a source is. A class that this environment lacks matches nothing. */
const classOf = (source: unknown): (typeof allowed)[number] => {
  for (const name of allowed) {
    const Class = (globalThis as Record<string, unknown>)[name]
    if (typeof Class === 'function' && source instanceof Class) return name
  }
  const what = source === null ? 'null' : (source as object)?.constructor?.name || typeof source
  throw new FxError('invalid-argument', `Cannot run an effect on ${what}, allowed are ${listed(allowed)}`)
}

const noPicture = (what: string): FxError => new FxError('invalid-argument', `The ${what} has no picture yet`)

const videoFrame = async (video: HTMLVideoElement): Promise<Frame> => {
  if (video.readyState < video.HAVE_CURRENT_DATA || video.videoWidth === 0) throw noPicture('video')
  return typeof VideoFrame === 'undefined' ? createImageBitmap(video) : new VideoFrame(video)
}

/**
 * A frame of the source.
 *
 * @param toMove whether the frame will be moved to a worker: then it is a copy of its own, else the source itself where
 *   that can be drawn.
 * @returns the frame and whether it was made here, so that who does not move it closes it.
 * @throws FxError `invalid-argument` for something that is no picture, has none yet, or may not be read (another origin).
 */
export const frameOf = async (source: EffectSource, toMove: boolean): Promise<{ frame: Frame; made: boolean }> => {
  const name = classOf(source)
  try {
    switch (name) {
      case 'ImageData':
        return { frame: source as ImageData, made: false }
      case 'HTMLVideoElement':
        return { frame: await videoFrame(source as HTMLVideoElement), made: true }
      case 'VideoFrame':
        return toMove
          ? { frame: (source as VideoFrame).clone(), made: true }
          : { frame: source as VideoFrame, made: false }
      case 'HTMLImageElement': {
        const image = source as HTMLImageElement
        if (image.src === '') throw noPicture('image')
        await image.decode()
        return { frame: await createImageBitmap(image), made: true }
      }
      default: {
        const drawable = source as ImageBitmap | HTMLCanvasElement | OffscreenCanvas
        return toMove ? { frame: await createImageBitmap(drawable), made: true } : { frame: drawable, made: false }
      }
    }
  } catch (error) {
    if (FxError.isInstance(error)) throw error
    throw new FxError('invalid-argument', `Cannot read the ${name}: ${(error as Error).message}`, { cause: error })
  }
}
