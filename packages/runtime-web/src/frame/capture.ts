import { type EffectBundleManifest, FxError } from '@fx/core'
import { cropRectangle } from './geometry.js'

/** What a worker can be given: pictures that can be transferred or copied. */
export type Frame = ImageBitmap | VideoFrame | ImageData | OffscreenCanvas | HTMLCanvasElement

const isVideoFrame = (frame: Frame): frame is VideoFrame =>
  typeof VideoFrame !== 'undefined' && frame instanceof VideoFrame

const isImageData = (frame: Frame): frame is ImageData => typeof ImageData !== 'undefined' && frame instanceof ImageData

const context = (width: number, height: number): OffscreenCanvasRenderingContext2D => {
  // The pixels are read back every frame, so they had better not live on a GPU.
  const context = new OffscreenCanvas(width, height).getContext('2d', { alpha: false, willReadFrequently: true })
  if (context === null) throw new FxError('unsupported', 'This browser has no 2D context for OffscreenCanvas')
  context.imageSmoothingQuality = 'high'
  return context
}

/** Crops a frame and resizes it to the student's size. The canvas is kept from frame to frame. */
export const createCapture = ({ input, crop }: EffectBundleManifest): ((frame: Frame) => Uint8ClampedArray) => {
  const { width, height } = input
  const target = context(width, height)
  let source: OffscreenCanvasRenderingContext2D | undefined

  /** Pixels can be drawn scaled only from another canvas. */
  const canvasOf = (image: ImageData): OffscreenCanvas => {
    if (source === undefined) source = context(image.width, image.height)
    else if (source.canvas.width !== image.width || source.canvas.height !== image.height) {
      source.canvas.width = image.width
      source.canvas.height = image.height
    }
    source.putImageData(image, 0, 0)
    return source.canvas
  }

  return frame => {
    const [sourceWidth, sourceHeight] = isVideoFrame(frame)
      ? [frame.displayWidth, frame.displayHeight]
      : [frame.width, frame.height]
    if (sourceWidth === 0 || sourceHeight === 0) {
      throw new FxError('invalid-argument', `The source is ${sourceWidth}x${sourceHeight}: it has no picture yet`)
    }
    if (isImageData(frame) && sourceWidth === width && sourceHeight === height) return frame.data
    const { x, y, width: cropWidth, height: cropHeight } = cropRectangle(crop, sourceWidth, sourceHeight)
    const image = isImageData(frame) ? canvasOf(frame) : frame
    target.drawImage(image, x, y, cropWidth, cropHeight, 0, 0, width, height)
    return target.getImageData(0, 0, width, height).data
  }
}
