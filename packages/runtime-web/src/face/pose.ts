import { type EffectBundleManifest, FxError } from '@fx/core'
import type { CropBox } from '../frame/crop.js'

/** Where a face is in a frame. */
export interface FacePose {
  /** Middle of the face's box, frame pixels. */
  x: number
  y: number
  /** Side of the face's box, frame pixels: from the top of the forehead to the chin, as if the face looked into the camera. */
  size: number
  /** The head's tilt, radians, clockwise. */
  angle: number
}

/**
 * Points of the mesh that sit on bone, so that neither speech nor blinking moves them: the ones by which MediaPipe poses
 * its canonical face model, from which these places come (Apache-2.0). Index on the face's right and on its left, then x,
 * y (down) and z (to the camera) of the left one about the mean of them all, in thousandths of the face's box.
 */
export const anchors = [
  [4, 4, 0, 90, 272], // tip of the nose
  [6, 6, 0, -76, 170], // its bridge
  [129, 358, 101, 119, 115], // its wings
  [198, 420, 71, 51, 162], // its flanks
  [33, 263, 252, -87, 20], // outer corners of the eyes
  [133, 362, 105, -83, 53], // inner corners
  [117, 346, 298, 10, 9], // below the eyes
  [119, 348, 187, 15, 60],
  [121, 350, 103, -19, 80],
  [10, 10, 0, -404, 94], // top of the forehead
  [67, 297, 199, -389, 52], // its sides
  [54, 284, 355, -311, -79],
  [127, 356, 438, -70, -273], // temples
  [143, 372, 363, -63, -71],
  [205, 425, 217, 151, 75], // cheeks
  [147, 376, 353, 174, -65],
  [132, 361, 412, 227, -287], // jaw
  [136, 365, 288, 470, -119],
] as const

/** How far the middle of the face's box lies below the mean of the anchors, in sides of the box. */
const boxBelow = 0.096

/**
 * The pose of a face by weak perspective: the linear map from the model's three dimensions to the picture's two that fits
 * the anchors with the least squares. A head that turns to the side or nods narrows in the picture; with the depth in
 * the fit its size stays.
 *
 * @returns undefined for landmarks that are not finite, or all in one place.
 * @throws FxError `shape-mismatch` when there are not 468 or 478 points.
 */
export const facePose = (landmarks: Float32Array): FacePose | undefined => {
  if (landmarks.length !== 936 && landmarks.length !== 956) {
    throw new FxError('shape-mismatch', `A face has ${landmarks.length / 2} landmarks, allowed are 468 or 478`)
  }
  let [count, meanX, meanY] = [0, 0, 0]
  // Second moments of the model (those of x with y and z vanish: it is symmetric), and of the model with the picture.
  let [xx, yy, yz, zz] = [0, 0, 0, 0]
  let [xu, yu, zu, xv, yv, zv] = [0, 0, 0, 0, 0, 0]
  const add = (index: number, x: number, y: number, z: number): void => {
    const [u, v] = [landmarks[2 * index]!, landmarks[2 * index + 1]!]
    count++
    meanX += u
    meanY += v
    xx += x * x
    yy += y * y
    yz += y * z
    zz += z * z
    xu += x * u
    yu += y * u
    zu += z * u
    xv += x * v
    yv += y * v
    zv += z * v
  }
  for (const [right, left, x, y, z] of anchors) {
    add(left, x / 1000, y / 1000, z / 1000)
    if (right !== left) add(right, -x / 1000, y / 1000, z / 1000)
  }
  const determinant = yy * zz - yz * yz
  const [ux, uy, uz] = [xu / xx, (yu * zz - zu * yz) / determinant, (zu * yy - yu * yz) / determinant]
  const [vx, vy, vz] = [xv / xx, (yv * zz - zv * yz) / determinant, (zv * yy - yv * yz) / determinant]
  const size = Math.hypot(ux, uy, uz, vx, vy, vz) / Math.SQRT2
  if (!(size > 0 && size < Infinity)) return undefined
  return {
    x: meanX / count + uy * boxBelow,
    y: meanY / count + vy * boxBelow,
    size,
    // Of the rotation nearest to the map's part in the picture's plane.
    angle: Math.atan2(vx - uy, ux + vy),
  }
}

/** The square around a face that the bundle asks for. */
export const faceCrop = (
  { x, y, size, angle }: FacePose,
  { scale, raise }: NonNullable<EffectBundleManifest['face']>,
): CropBox => {
  const up = raise * size
  const side = scale * size
  return { x: x + Math.sin(angle) * up, y: y - Math.cos(angle) * up, width: side, height: side, angle }
}
