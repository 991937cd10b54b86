import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import type { RgbImage } from '../contract/types.js'

/**
 * Generated images `[N, H, W, 3]`, in about [-1, 1], as 8-bit pixels: `x * 127.5 + 128`, cut to 0-255 and rounded down,
 * as the official code writes them. The tensor stays the caller's.
 *
 * @throws FxError `shape-mismatch`.
 */
export const toRgbImages = async (images: tf.Tensor4D): Promise<RgbImage[]> => {
  const [count, height, width, channels] = images.shape
  if (images.rank !== 4 || channels !== 3) {
    throw new FxError('shape-mismatch', `images must be [N, H, W, 3], got [${images.shape.join(', ')}]`)
  }
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

/**
 * `x / 127.5 - 1` of 8-bit images: `[N, H, W, 3]` in [-1, 1]. The caller owns it.
 *
 * @throws FxError `shape-mismatch`.
 */
export const toTensor = (images: readonly RgbImage[], resolution: number): tf.Tensor4D => {
  const size = resolution * resolution * 3
  const values = new Float32Array(images.length * size)
  images.forEach(({ width, height, data }, image) => {
    if (width !== resolution || height !== resolution) {
      throw new FxError(
        'shape-mismatch',
        `A training image is ${width} x ${height}; the network makes ${resolution} x ${resolution}`,
      )
    }
    for (let i = 0; i < size; i++) values[image * size + i] = data[i]! / 127.5 - 1
  })
  return tf.tensor4d(values, [images.length, resolution, resolution, 3])
}
