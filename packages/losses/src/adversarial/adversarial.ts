import { integerIn, numberIn, oneOf, seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { checkImages, type Loss } from '../loss.js'
import type { AdversarialLoss } from '../trainable.js'
import { type Discriminator, logitsOf } from './discriminator.js'
import {
  type AdversarialObjective,
  adversarialObjectives,
  discriminatorLoss,
  generatorLoss,
  overScales,
} from './objectives.js'
import { r1Penalty, wganGpPenalty } from './penalties.js'

/**
 * What keeps a discriminator's slope in bounds. Both call for `installSecondOrderGradients()` of `@fx/backend/training`.
 *
 * - `'r1'`: `gamma / 2 * |slope|^2` at targets (`gamma` 10), computed at every 16th step for 16 times as much (`every`;
 *   Karras et al., StyleGAN2, CVPR 2020, appendix B).
 * - `'wgan-gp'`: `weight * (|slope| - 1)^2` (`weight` 10) between targets and answers, at places drawn by `seed` (0) and
 *   step.
 */
export type GradientPenalty =
  | { kind: 'r1'; gamma?: number; every?: number }
  | { kind: 'wgan-gp'; weight?: number; seed?: number | string }

export interface AdversarialOptions {
  /** What both sides minimise. Default `'hinge'`. */
  objective?: AdversarialObjective
  /** Default: none. */
  gradientPenalty?: GradientPenalty
}

interface JudgedImages {
  prediction: tf.Tensor4D
  target: tf.Tensor4D
  step: number
}

/** A penalty with its weight at a step; undefined where none is due. */
type PenaltyAt = (
  logits: (images: tf.Tensor4D) => tf.Tensor4D[],
  images: JudgedImages,
) => { value: tf.Scalar; factor: number } | undefined

/** Penalties are published for images in [-1, 1], in which slopes are half as steep as in [0, 1]. */
const inUnits = (logits: (images: tf.Tensor4D) => tf.Tensor4D[]) => (images: tf.Tensor4D) => {
  const maps = logits(tf.div(tf.add(images, 1), 2))
  return tf.addN(maps.map(map => tf.mean(map, [1, 2, 3])))
}
const toUnits = (images: tf.Tensor4D): tf.Tensor4D => tf.sub(tf.mul(images, 2), 1)

const checkedPenalty = (penalty: GradientPenalty | undefined): PenaltyAt => {
  if (!penalty) return () => undefined
  oneOf('adversarial: gradientPenalty.kind', penalty.kind, ['r1', 'wgan-gp'])
  if (penalty.kind === 'r1') {
    const gamma = numberIn('adversarial: gamma', penalty.gamma ?? 10, 0, 1e9)
    const every = integerIn('adversarial: every', penalty.every ?? 16, 1, 1e6)
    return (logits, { target, step }) => {
      if (step % every !== 0) return undefined
      return { value: tf.mul(r1Penalty(inUnits(logits), toUnits(target)), gamma / 2), factor: every }
    }
  }
  const weight = numberIn('adversarial: weight', penalty.weight ?? 10, 0, 1e9)
  const { seed = 0 } = penalty
  return (logits, { prediction, target, step }) => {
    const { uniform } = seededRandom(seed, 'wgan-gp', step)
    const shares = tf.tensor4d(Array.from({ length: target.shape[0] }, uniform), [target.shape[0], 1, 1, 1])
    const between = tf.add<tf.Tensor4D>(prediction, tf.mul(tf.sub(target, prediction), shares))
    return { value: tf.mul(wganGpPenalty(inUnits(logits), toUnits(between)), weight), factor: 1 }
  }
}

/**
 * The adversarial loss: how clearly a discriminator takes the prediction for an answer, while the discriminator learns to
 * tell predictions from targets (`judge`; its variables are the discriminator's, and disposing the loss disposes it). Logits
 * count by their mean over an image, summed over scales; with weights by the weighted mean, for both sides, where each
 * logit has the mean weight of its share of the image. Alone it does not bring a prediction to its target: add it to
 * another loss, as a term with `balance`. Between updates of the discriminator it is a loss as any other.
 *
 * Scores of `judge`: `real` and `fake`, the mean logits of targets and predictions, and, at steps that compute it,
 * `penalty`, before the factor of R1 for its pauses. Penalties take the slope of an image's mean logit, pooled likewise, in
 * images scaled to [-1, 1], so that published weights hold, and leave weights of pixels aside. They ask for a
 * discriminator without a batch norm, since with one an image's score hangs on the others.
 *
 * Sources: `AdversarialObjective`, `r1Penalty` and `wganGpPenalty` name theirs.
 *
 * @throws FxError `invalid-argument` for options out of range; the loss what the discriminator throws.
 */
export const adversarial = (
  discriminator: Discriminator,
  { objective = 'hinge', gradientPenalty }: AdversarialOptions = {},
): AdversarialLoss => {
  oneOf('adversarial: objective', objective, adversarialObjectives)
  const penaltyAt = checkedPenalty(gradientPenalty)
  const { smallestSide, variables, dispose } = discriminator

  const judge: AdversarialLoss['judge'] = (prediction, target, { weights, input, step = 0 } = {}) => {
    checkImages('adversarial', prediction, target, weights, smallestSide)
    return tf.tidy(() => {
      const logits = (images: tf.Tensor4D) => logitsOf(discriminator.features(images, input))
      const real = logits(target)
      const fake = logits(prediction)
      const total = discriminatorLoss(real, fake, objective, weights)
      const scores = { real: overScales(real), fake: overScales(fake) }
      const penalty = penaltyAt(logits, { prediction, target, step })
      if (!penalty) return { total, scores }
      return {
        total: tf.add<tf.Scalar>(total, tf.mul(penalty.value, penalty.factor)),
        scores: { ...scores, penalty: penalty.value },
      }
    })
  }

  const loss: Loss = (prediction, target, { weights, input } = {}) => {
    checkImages('adversarial', prediction, target, weights, smallestSide)
    return tf.tidy(() => {
      const logits = (images: tf.Tensor4D) => logitsOf(discriminator.features(images, input))
      const real = objective === 'relativistic-hinge' ? logits(target) : undefined
      return generatorLoss(logits(prediction), objective, weights, real)
    })
  }
  return Object.assign(loss, { variables, dispose, judge })
}
