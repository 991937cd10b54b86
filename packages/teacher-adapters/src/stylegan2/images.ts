import type * as tf from '@tensorflow/tfjs-core'
import type { RgbImage } from '../contract/types.js'
import { checkShape } from './checks.js'

/**
 * Generated images `[N, H, W, 3]`, in about [-1, 1], as 8-bit pixels: `x * 127.5 + 128`, cut to 0-255 and rounded down,
 * as the official code writes them. The tensor stays the caller's.
 *
 * @throws FxError `shape-mismatch`.
 */
export const toRgbImages = async (images: tf.Tensor4D): Promise<RgbImage[]> => {
  const count = checkShape('images', images, [null, null, null, 3])
  const [, height, width] = images.shape
  const values = await images.data()
  const size = height * width * 3
  return Array.from({ length: count }, (_, image) => {
    const data = new Uint8Array(size)
    for (let i = 0; i < size; i++) {
      data[i] = Math.min(255, Math.max(0, values[image * size + i]! * 127.5 + 128))
    }
    return { width, height, data }
  })
}
