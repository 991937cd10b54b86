import { FxError } from '@fx/core'
import type { RgbImage } from '../contract/types.js'

/**
 * Checks that a value is an RgbImage whose data fits its size.
 *
 * @param name what to call the image in the error, for instance a file name.
 * @throws FxError `shape-mismatch`.
 */
export const checkRgbImage = (image: RgbImage, name = 'The image'): RgbImage => {
  const { width, height, data } = image
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1) {
    throw new FxError('shape-mismatch', `${name} has size ${width}x${height}; both must be positive integers`, {
      details: { width, height },
    })
  }
  if (!(data instanceof Uint8Array) || data.length !== width * height * 3) {
    throw new FxError(
      'shape-mismatch',
      `${name} is ${width}x${height} and needs a Uint8Array of ${width * height * 3} values (HWC, RGB); it has ${
        data instanceof Uint8Array ? data.length : typeof data
      }`,
      { details: { width, height, length: (data as Uint8Array | undefined)?.length } },
    )
  }
  return image
}

/** True when two images have the same size and the same pixels. */
export const equalImages = (a: RgbImage, b: RgbImage): boolean =>
  a.width === b.width &&
  a.height === b.height &&
  a.data.length === b.data.length &&
  a.data.every((value, i) => value === b.data[i])

/**
 * Where an effect acts: for every pixel 1 if any channel differs by more than `threshold` (0-255), else 0. Row by row,
 * `width * height` values.
 *
 * @throws FxError `shape-mismatch` when the images differ in size.
 */
export const changedRegion = (input: RgbImage, target: RgbImage, threshold = 0): Uint8Array => {
  if (input.width !== target.width || input.height !== target.height) {
    throw new FxError(
      'shape-mismatch',
      `The input is ${input.width}x${input.height}, the target ${target.width}x${target.height}; they must be equal`,
    )
  }
  const mask = new Uint8Array(input.width * input.height)
  for (let i = 0; i < mask.length; i++) {
    for (let c = 3 * i; c < 3 * i + 3; c++) {
      if (Math.abs(input.data[c]! - target.data[c]!) > threshold) mask[i] = 1
    }
  }
  return mask
}
