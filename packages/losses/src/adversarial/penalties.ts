import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'

/** A score of each image, `[N]` or a map whose sum over an image is its score. */
export type Critic = (images: tf.Tensor4D) => tf.Tensor

/** The squared length of the slope of each image's score, `[N]`. */
const squaredSlopes = (critic: Critic, images: tf.Tensor4D): tf.Tensor1D => {
  // Without these the gradient of a gradient fails in places and, in others, is wrong without a word.
  if (!tf.getGradient(tf.Conv2DBackpropFilter)) {
    throw new FxError(
      'invalid-argument',
      'A gradient penalty needs gradients of gradients, which tfjs lacks: call installSecondOrderGradients() of @fx/backend/training first',
    )
  }
  const slopes = tf.grad(x => tf.sum(critic(x as tf.Tensor4D)))(images)
  return tf.sum<tf.Tensor1D>(tf.square(slopes), [1, 2, 3])
}

/**
 * R1, before `gamma / 2`: the mean over images of the squared length of the gradient of their scores, at targets. Exact,
 * and differentiable in the critic's variables. The caller owns the scalar.
 *
 * Source: Mescheder et al., "Which training methods for GANs do actually converge?", ICML 2018, section 4.1.
 *
 * @throws FxError `invalid-argument` unless `installSecondOrderGradients` of `@fx/backend/training` was called.
 */
export const r1Penalty = (critic: Critic, targets: tf.Tensor4D): tf.Scalar =>
  tf.tidy(() => tf.mean(squaredSlopes(critic, targets)))

/**
 * The penalty of WGAN-GP, before its weight: the mean over images of `(|gradient of the score| - 1)^2`, at images that lie
 * between targets and answers. Exact, and differentiable in the critic's variables. The caller owns the scalar.
 *
 * Source: Gulrajani et al., "Improved training of Wasserstein GANs", NeurIPS 2017, equation 3.
 *
 * @throws FxError as `r1Penalty`.
 */
export const wganGpPenalty = (critic: Critic, between: tf.Tensor4D): tf.Scalar =>
  // The tiny addend keeps the root's own gradient finite where the slope is 0.
  tf.tidy(() => tf.mean(tf.square(tf.sub(tf.sqrt(tf.add(squaredSlopes(critic, between), 1e-12)), 1))))
