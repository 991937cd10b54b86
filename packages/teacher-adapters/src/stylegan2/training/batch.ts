import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import type { TrainingImage } from '../../training/image-source.js'

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
