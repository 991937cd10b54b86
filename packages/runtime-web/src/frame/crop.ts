import type { EffectBundleManifest } from '@fx/core'
import type { Frame, Size } from './frame.js'

/** A rotated rectangle of a frame: its centre and sides in frame pixels, its angle in radians, clockwise as a canvas rotates. */
export interface CropBox {
  x: number
  y: number
  width: number
  height: number
  angle: number
}

/** `[a, b, c, d, e, f]` as a canvas takes it: x' = a x + c y + e, y' = b x + d y + f. */
export type Matrix = readonly [number, number, number, number, number, number]

/** All of a frame. */
export const wholeFrame = ({ width, height }: Size): CropBox => ({
  x: width / 2,
  y: height / 2,
  width,
  height,
  angle: 0,
})

/** The largest centred square of a frame. */
export const centreSquare = ({ width, height }: Size): CropBox => {
  const side = Math.min(width, height)
  return { x: width / 2, y: height / 2, width: side, height: side, angle: 0 }
}

/** What of a frame becomes the student's input; with the crop 'face', where no face is looked for. */
export const fixedCrop = (crop: EffectBundleManifest['crop'], frame: Size): CropBox =>
  crop === 'stretch' ? wholeFrame(frame) : centreSquare(frame)

/** From the pixels of a patch of `width` x `height` to the frame's, by the box that the patch was cut from. */
export const patchToFrame = (box: CropBox, { width, height }: Size): Matrix => {
  const scaleX = box.width / width
  const scaleY = box.height / height
  const cos = Math.cos(box.angle)
  const sin = Math.sin(box.angle)
  const [a, b, c, d] = [cos * scaleX, sin * scaleX, -sin * scaleY, cos * scaleY]
  return [a, b, c, d, box.x - (a * width + c * height) / 2, box.y - (b * width + d * height) / 2]
}

export const inverse = ([a, b, c, d, e, f]: Matrix): Matrix => {
  const determinant = a * d - b * c
  return [
    d / determinant,
    -b / determinant,
    -c / determinant,
    a / determinant,
    (c * f - d * e) / determinant,
    (b * e - a * f) / determinant,
  ]
}

/** Draws what the box holds of a frame over all of the context's canvas; black where the box leaves the frame. */
export const drawCrop = (
  context: OffscreenCanvasRenderingContext2D,
  frame: Frame,
  frameSize: Size,
  box: CropBox,
): void => {
  const { width, height } = context.canvas
  context.fillStyle = '#000'
  context.fillRect(0, 0, width, height)
  context.save()
  context.setTransform(...inverse(patchToFrame(box, { width, height })))
  context.drawImage(frame, 0, 0, frameSize.width, frameSize.height)
  context.restore()
}
