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

/** A window of the two middle axes of `[N, H, W, C]`. */
export const crop = (image: tf.Tensor4D, y: number, x: number, height: number, width: number): tf.Tensor4D =>
  tf.slice(image, [0, y, x, 0], [image.shape[0], height, width, image.shape[3]])

/** How much each pixel exceeds its left (`axis` 2) or upper (`axis` 1) neighbour; a side of 1 gives no values. */
export const neighbourSteps = (image: tf.Tensor4D, axis: 1 | 2): tf.Tensor4D => {
  const [dy, dx] = axis === 1 ? [1, 0] : [0, 1]
  const height = image.shape[1] - dy
  const width = image.shape[2] - dx
  return tf.sub(crop(image, dy, dx, height, width), crop(image, 0, 0, height, width))
}

/** The weights of the centre pixels of every unpadded window of an odd side. */
export const centreWeights = (weights: tf.Tensor4D, windowSize: number): tf.Tensor4D => {
  const border = (windowSize - 1) / 2
  return crop(weights, border, border, weights.shape[1] - 2 * border, weights.shape[2] - 2 * border)
}
