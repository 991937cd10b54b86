import * as tf from '@tensorflow/tfjs-core'

/** The largest matrix of attention weights at a time, in numbers: 64 MB. */
const MOST_WEIGHTS = 16 * 2 ** 20

/** `[N, L, C]` to `[N, heads, L, C / heads]`. */
export const splitHeads = (x: tf.Tensor3D, heads: number): tf.Tensor4D => {
  const [n, length, channels] = x.shape
  return tf.transpose(tf.reshape(x, [n, length, heads, channels / heads]), [0, 2, 1, 3]) as tf.Tensor4D
}

/**
 * Scaled dot-product attention of queries `[N, heads, Q, D]` to keys and values `[N, heads, K, D]`: `[N, Q, heads * D]`.
 * Many queries are taken a part at a time, so that the matrix of weights stays within 64 MB.
 *
 * Source: Vaswani et al., "Attention is all you need", NeurIPS 2017, section 3.2.
 */
export const attend = (
  q: tf.Tensor4D,
  k: tf.Tensor4D,
  v: tf.Tensor4D,
  mostWeights: number = MOST_WEIGHTS,
): tf.Tensor3D => {
  const [n, heads, queries, dim] = q.shape
  const part = Math.max(1, Math.floor(mostWeights / (n * heads * k.shape[2])))
  const scaled = tf.mul<tf.Tensor4D>(q, 1 / Math.sqrt(dim))
  const ofPart = (some: tf.Tensor4D): tf.Tensor4D =>
    tf.tidy(() => tf.matMul(tf.softmax(tf.matMul<tf.Tensor4D>(some, k, false, true)), v))
  const parts = Array.from({ length: Math.ceil(queries / part) }, (_, i) => {
    const count = Math.min(part, queries - i * part)
    return ofPart(tf.slice(scaled, [0, 0, i * part, 0], [n, heads, count, dim]))
  })
  const mixed = parts.length === 1 ? parts[0]! : tf.concat(parts, 2)
  return tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [n, queries, heads * dim])
}
