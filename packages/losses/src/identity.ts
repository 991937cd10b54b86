import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { checkImages, type Loss } from './loss.js'

/** Cosine similarity of the rows of two `[N, D]`; rows of zeros have none, and a gradient that is finite. */
const cosine = (a: tf.Tensor2D, b: tf.Tensor2D): tf.Tensor1D => {
  const unit = (rows: tf.Tensor2D): tf.Tensor => tf.div(rows, tf.sqrt(tf.add(tf.sum(tf.square(rows), 1, true), 1e-12)))
  return tf.sum(tf.mul(unit(a), unit(b)), 1)
}

/**
 * Identity loss: `mean 1 - cos(E(p), E(t))`, in [0, 2], with any embedder E, for instance a face recognition network that
 * crops, scales and normalises for itself. Only the prediction gets gradients. It judges pictures whole, so weights do not
 * change it. Whoever judges identity in the end should use another embedder than the one that was trained with.
 *
 * Source: Richardson et al., "Encoding in style", CVPR 2021, there with ArcFace (Deng et al., CVPR 2019).
 *
 * @param embed from images `[N, H, W, C]` in [0, 1] to `[N, D]`, differentiable.
 * @throws FxError its loss `shape-mismatch` also when the embeddings are not `[N, D]`.
 */
export const identityLoss =
  (embed: (images: tf.Tensor4D) => tf.Tensor2D): Loss =>
  (prediction, target, { weights } = {}) => {
    checkImages('identityLoss', prediction, target, weights)
    return tf.tidy(() => {
      const embedded = (images: tf.Tensor4D): tf.Tensor2D => {
        const rows = embed(images)
        if (rows.rank === 2 && rows.shape[0] === images.shape[0]) return rows
        throw new FxError(
          'shape-mismatch',
          `identityLoss: the embedder must give [${images.shape[0]}, D], got [${rows.shape.join(', ')}]`,
          { details: { embeddings: rows.shape, images: images.shape } },
        )
      }
      return tf.sub(1, tf.mean(cosine(embedded(prediction), embedded(target))))
    })
  }
