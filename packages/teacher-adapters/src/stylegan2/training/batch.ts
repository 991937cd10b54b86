import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import type { RgbImage } from '../../contract/types.js'
import type { TrainingImage } from './trainer-types.js'

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

/**
 * The labels of images, `[N, cDim]`; undefined for a network without. The caller owns them.
 *
 * @throws FxError `shape-mismatch` when an image lacks a label of this length.
 */
export const toLabels = (images: readonly TrainingImage[], cDim: number): tf.Tensor2D | undefined => {
  if (cDim === 0) return undefined
  for (const { label } of images) {
    if (label?.length === cDim) continue
    throw new FxError(
      'shape-mismatch',
      `A training image has ${label ? `a label of ${label.length} numbers` : 'no label'}; the network takes labels of ${cDim}`,
    )
  }
  return tf.tensor2d(Float32Array.from(images.flatMap(({ label }) => label!)), [images.length, cDim])
}
