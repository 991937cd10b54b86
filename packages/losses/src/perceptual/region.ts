import * as tf from '@tensorflow/tfjs-core'

/** `[from, to]`: how much of each of `to` equal parts of a line lies in each of `from` pixels. Columns sum to 1. */
const areaMatrix = (from: number, to: number): tf.Tensor2D => {
  const values = new Float32Array(from * to)
  const step = from / to
  for (let part = 0; part < to; part++) {
    for (let pixel = Math.floor(part * step); pixel < Math.min(from, (part + 1) * step); pixel++) {
      const overlap = Math.min(pixel + 1, (part + 1) * step) - Math.max(pixel, part * step)
      values[pixel * to + part] = Math.max(0, overlap) / step
    }
  }
  return tf.tensor2d(values, [from, to])
}

/**
 * Weights of pixels `[N, H, W, 1]` as weights of a map's places `[N, height, width, 1]`: the mean over the area that each
 * place covers.
 */
export const shrinkWeights = (weights: tf.Tensor4D, height: number, width: number): tf.Tensor4D => {
  const [n, fromHeight, fromWidth] = weights.shape
  const rows = tf.matMul(tf.reshape(weights, [n * fromHeight, fromWidth]), areaMatrix(fromWidth, width))
  const turned = tf.reshape(tf.transpose(tf.reshape(rows, [n, fromHeight, width]), [0, 2, 1]), [n * width, fromHeight])
  const columns = tf.matMul(turned, areaMatrix(fromHeight, height))
  return tf.reshape(tf.transpose(tf.reshape(columns, [n, width, height]), [0, 2, 1]), [n, height, width, 1])
}
