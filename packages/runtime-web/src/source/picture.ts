import { FxError, listed } from '@fx/core'
import type { Frame } from '../frame/frame.js'

/** A picture to run an effect on. A video gives the frame that it shows. */
export type EffectSource =
  | HTMLImageElement
  | HTMLCanvasElement
  | HTMLVideoElement
  | OffscreenCanvas
  | ImageBitmap
  | VideoFrame
  | ImageData

export const pictureClasses = [
  'HTMLImageElement',
  'HTMLCanvasElement',
  'HTMLVideoElement',
  'OffscreenCanvas',
  'ImageBitmap',
  'VideoFrame',
  'ImageData',
] as const

/** Which of the classes a source is, if any. A class that this environment lacks matches nothing. */
export const classOf = <Name extends string>(source: unknown, names: readonly Name[]): Name | undefined =>
  names.find(name => {
    const Class = (globalThis as Record<string, unknown>)[name]
    return typeof Class === 'function' && source instanceof Class
  })

/** That a source is of no class that is allowed. */
export const noSource = (source: unknown, allowed: readonly string[]): FxError => {
  const what = source === null ? 'null' : (source as object)?.constructor?.name || typeof source
  return new FxError('invalid-argument', `Cannot run an effect on ${what}, allowed are ${listed(allowed)}`)
}

const noPicture = (what: string): FxError => new FxError('invalid-argument', `The ${what} has no picture yet`)

const videoFrame = async (video: HTMLVideoElement): Promise<Frame> => {
  if (video.readyState < video.HAVE_CURRENT_DATA || video.videoWidth === 0) throw noPicture('video')
  // A frame of its own class stays where the decoder left it, on the GPU perhaps; a bitmap is a copy.
  return typeof VideoFrame === 'undefined' ? createImageBitmap(video) : new VideoFrame(video)
}

const imageFrame = async (image: HTMLImageElement): Promise<Frame> => {
  if (image.src === '') throw noPicture('image')
  await image.decode()
  return createImageBitmap(image)
}

/**
 * A frame of what the source shows now, which the caller closes.
 *
 * @throws FxError `invalid-argument` for something that is no picture, has none yet, or may not be read (another origin).
 */
export const frameOf = async (source: EffectSource): Promise<Frame> => {
  const name = classOf(source, pictureClasses)
  if (name === undefined) throw noSource(source, pictureClasses)
  try {
    switch (name) {
      case 'HTMLVideoElement':
        return await videoFrame(source as HTMLVideoElement)
      case 'HTMLImageElement':
        return await imageFrame(source as HTMLImageElement)
      case 'VideoFrame':
        return (source as VideoFrame).clone()
      default:
        return await createImageBitmap(source as Exclude<EffectSource, VideoFrame>)
    }
  } catch (error) {
    if (FxError.isInstance(error)) throw error
    throw new FxError('invalid-argument', `Cannot read the ${name}: ${(error as Error).message}`, { cause: error })
  }
}
