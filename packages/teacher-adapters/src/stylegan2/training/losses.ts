import * as tf from '@tensorflow/tfjs-core'

/**
 * The generator's non-saturating loss: `mean(softplus(-logits))` of the discriminator's logits `[N, 1]` on its images.
 *
 * Source: Goodfellow et al., "Generative adversarial nets", NeurIPS 2014, section 3.
 */
export const generatorLoss = (fakeLogits: tf.Tensor2D): tf.Scalar =>
  tf.tidy(() => tf.mean<tf.Scalar>(tf.softplus(tf.neg(fakeLogits))))

/** The discriminator's logistic loss: `mean(softplus(fake)) + mean(softplus(-real))` of logits `[N, 1]`. */
export const discriminatorLoss = (realLogits: tf.Tensor2D, fakeLogits: tf.Tensor2D): tf.Scalar =>
  tf.tidy(() => tf.add<tf.Scalar>(tf.mean(tf.softplus(fakeLogits)), generatorLoss(realLogits)))
