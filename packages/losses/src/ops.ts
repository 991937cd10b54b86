import * as tf from '@tensorflow/tfjs-core'

/**
 * Absolute value whose gradient at zero is zero. The stock gradient of `tf.abs` is -1 there, which would keep pushing
 * pixels that already equal their target: the common case for a student that leaves most of the image alone.
 */
export const absolute: (x: tf.Tensor4D) => tf.Tensor4D = tf.customGrad((x, save) => {
  const input = x as tf.Tensor4D
  ;(save as tf.GradSaveFunc)([input])
  return {
    value: tf.abs(input),
    gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.mul(dy, tf.sign(saved[0]!)),
  }
}) as (x: tf.Tensor4D) => tf.Tensor4D

/** Mean over everything, or the weighted mean with `weights` `[N, H, W, 1]` shared by the channels. */
export const weightedMean = (values: tf.Tensor4D, weights?: tf.Tensor4D): tf.Scalar => {
  if (!weights) return tf.mean(values)
  const channels = values.shape[3]
  // The guard keeps an all-zero weight map at a loss of zero rather than NaN.
  const total = tf.maximum(tf.sum(weights), 1e-12)
  return tf.div(tf.sum(tf.mul(values, weights)), tf.mul(total, channels))
}
