import * as tf from '@tensorflow/tfjs-core'

/** A gradient of nearly nothing is not blown up by more than this. */
const MOST = 1e4

const norm = (x: tf.Tensor): tf.Scalar => tf.sqrt(tf.sum<tf.Scalar>(tf.square(x)))

/**
 * The prediction several times, for losses whose gradients shall have one size: what comes back through each of `balanced`
 * is scaled to the Euclidean norm of what comes back through `plain`, over the whole batch, times its weight.
 *
 * Source: Esser, Rombach and Ommer, "Taming transformers for high-resolution image synthesis", CVPR 2021, equation 7,
 * which compares the gradients at the decoder's last layer; here they are compared at the pixels, which every student has.
 */
export const balancedBranches = (
  prediction: tf.Tensor4D,
  weights: readonly number[],
): { plain: tf.Tensor4D; balanced: tf.Tensor4D[] } => {
  const count = 1 + weights.length
  const copies = tf.customGrad(x => ({
    value: tf.concat(Array.from({ length: count }, () => x as tf.Tensor)),
    gradFunc: (dy: tf.Tensor) => {
      const [plain, ...balanced] = tf.split(dy, count) as [tf.Tensor, ...tf.Tensor[]]
      const size = norm(plain)
      const scaled = balanced.map((gradient, i) => {
        // The tiny addend makes 0 / 0 a 0.
        const factor = tf.minimum(tf.div(size, tf.add(norm(gradient), 1e-30)), MOST)
        return tf.mul(gradient, tf.mul(factor, weights[i]!))
      })
      return tf.addN([plain, ...scaled])
    },
  }))(prediction)
  const [plain, ...balanced] = tf.split(copies, count) as [tf.Tensor4D, ...tf.Tensor4D[]]
  return { plain, balanced }
}
