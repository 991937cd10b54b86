import { FxError } from '@fx/core'
import type * as tf from '@tensorflow/tfjs-core'

export interface LossOptions {
  /**
   * How much each pixel counts, `[N, H, W, 1]`, non-negative. A loss with weights is the weighted mean of its per-pixel
   * values, so scaling all weights changes nothing.
   */
  weights?: tf.Tensor4D
  /**
   * What the student was shown, `[N, H, W, C]` in [0, 1]. Only losses that judge an answer together with its question, as
   * conditional discriminators do, look at it.
   */
  input?: tf.Tensor4D
}

/**
 * A training loss: images `[N, H, W, C]` in [0, 1] to one scalar, smaller is better, differentiable in `prediction`.
 * The caller owns the scalar.
 *
 * @throws FxError `shape-mismatch` when prediction, target and weights do not belong together.
 */
export type Loss = (prediction: tf.Tensor4D, target: tf.Tensor4D, options?: LossOptions) => tf.Scalar

const text = (tensor: tf.Tensor): string => `[${tensor.shape.join(', ')}]`

/** Refuses images that differ in shape, weights that do not cover them, and images too small for a window. */
export const checkImages = (
  loss: string,
  prediction: tf.Tensor4D,
  target: tf.Tensor4D,
  weights?: tf.Tensor4D,
  smallestSide = 1,
): void => {
  const refuse = (message: string): never => {
    throw new FxError('shape-mismatch', `${loss}: ${message}`, {
      details: { prediction: prediction.shape, target: target.shape, weights: weights?.shape },
    })
  }
  if (prediction.rank !== 4) refuse(`the prediction must be [N, H, W, C], got ${text(prediction)}`)
  const [n, height, width] = prediction.shape
  if (target.rank !== 4 || prediction.shape.some((side, axis) => side !== target.shape[axis])) {
    refuse(`prediction ${text(prediction)} and target ${text(target)} must have one shape`)
  }
  if (weights && (weights.rank !== 4 || [n, height, width, 1].some((side, axis) => side !== weights.shape[axis]))) {
    refuse(`weights must be [${n}, ${height}, ${width}, 1], got ${text(weights)}`)
  }
  if (height < smallestSide || width < smallestSide) {
    refuse(`images must be at least ${smallestSide} pixels on each side, got ${height}x${width}`)
  }
}
