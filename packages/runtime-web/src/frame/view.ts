import type { EffectBundleManifest } from '@fx/core'
import { type CropBox, centreSquare, type Matrix, wholeFrame } from './crop.js'
import type { Size } from './frame.js'

/** What an effect shows of a frame: the square of 'centre-square', else all of it. */
export const shownPart = (crop: EffectBundleManifest['crop'], frame: Size): CropBox =>
  crop === 'centre-square' ? centreSquare(frame) : wholeFrame(frame)

/** From frame pixels to those of an output that `part` covers undistorted, cut at two sides where the shapes differ. */
export const viewMatrix = (part: CropBox, output: Size, mirror: boolean): Matrix => {
  const scale = Math.max(output.width / part.width, output.height / part.height)
  const x = output.width / 2 - scale * part.x
  const y = output.height / 2 - scale * part.y
  return mirror ? [-scale, 0, 0, scale, output.width - x, y] : [scale, 0, 0, scale, x, y]
}
