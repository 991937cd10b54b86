import { FxError, oneOf } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { weightedMean } from '../ops.js'
import { shrinkWeights } from '../perceptual/region.js'

/**
 * What both sides of an adversarial game minimise, logit by logit:
 *
 * - `'hinge'`: `relu(1 - real) + relu(1 + fake)` against `-fake`. Lim and Ye, "Geometric GAN", 2017, section 3.4.
 * - `'non-saturating'`: `softplus(-real) + softplus(fake)` against `softplus(-fake)`. Goodfellow et al., NeurIPS 2014,
 *   section 3.
 * - `'lsgan'`: `((real - 1)^2 + fake^2) / 2` against `(fake - 1)^2`. Mao et al., ICCV 2017, equation 9; the generator's
 *   without the half, as in pix2pix.
 * - `'wgan'`: `fake - real` against `-fake`; needs a gradient penalty. Arjovsky et al., ICML 2017, equations 2 and 3.
 * - `'relativistic-hinge'`: the hinge of logits from which the mean of the other side's is taken, against the same with the
 *   sides exchanged. Jolicoeur-Martineau, "The relativistic discriminator", ICLR 2019, appendix (RaHingeGAN).
 */
export type AdversarialObjective = 'hinge' | 'non-saturating' | 'lsgan' | 'wgan' | 'relativistic-hinge'

/** What each side minimises of its logits alone. */
interface Sides {
  real(logits: tf.Tensor4D): tf.Tensor4D
  fake(logits: tf.Tensor4D): tf.Tensor4D
  generator(logits: tf.Tensor4D): tf.Tensor4D
}

const hinge: Sides = {
  real: logits => tf.relu(tf.sub<tf.Tensor4D>(1, logits)),
  fake: logits => tf.relu(tf.add<tf.Tensor4D>(1, logits)),
  generator: tf.neg,
}

const objectives: Readonly<Record<AdversarialObjective, Sides>> = {
  hinge,
  'non-saturating': {
    real: logits => tf.softplus(tf.neg(logits)),
    fake: logits => tf.softplus(logits),
    generator: logits => tf.softplus(tf.neg(logits)),
  },
  lsgan: {
    real: logits => tf.div(tf.square(tf.sub(logits, 1)), 2),
    fake: logits => tf.div(tf.square(logits), 2),
    generator: logits => tf.square(tf.sub<tf.Tensor4D>(logits, 1)),
  },
  wgan: { real: tf.neg, fake: logits => tf.clone(logits), generator: tf.neg },
  'relativistic-hinge': hinge,
}

/** Logits of each scale without the mean of the other side's. */
const relativeTo = (maps: readonly tf.Tensor4D[], others: readonly tf.Tensor4D[]): tf.Tensor4D[] =>
  maps.map((map, scale) => tf.sub<tf.Tensor4D>(map, tf.mean(others[scale]!)))

export const adversarialObjectives = Object.keys(objectives) as readonly AdversarialObjective[]

const sidesOf = (objective: AdversarialObjective): Sides =>
  objectives[oneOf('objective', objective, adversarialObjectives)]

/** The (weighted) mean over the places of each scale, summed over the scales. */
export const overScales = (maps: readonly tf.Tensor4D[], weights?: tf.Tensor4D): tf.Scalar =>
  tf.addN(maps.map(map => weightedMean(map, weights && shrinkWeights(weights, map.shape[1], map.shape[2]))))

/**
 * What the student minimises, given the logits `[N, h, w, 1]` of its answers at each scale: the mean over the logits of a
 * scale, summed over the scales as in pix2pixHD. `weights` are of the images' pixels, `[N, H, W, 1]`; a logit counts with
 * their mean over its share of the image. `real`, the logits of the targets, are needed by the relativistic objective
 * alone. The caller owns the scalar.
 *
 * @throws FxError `invalid-argument` for another objective, or for missing logits of the targets.
 */
export const generatorLoss = (
  fake: readonly tf.Tensor4D[],
  objective: AdversarialObjective,
  weights?: tf.Tensor4D,
  real?: readonly tf.Tensor4D[],
): tf.Scalar => {
  const sides = sidesOf(objective)
  if (objective !== 'relativistic-hinge') return tf.tidy(() => overScales(fake.map(sides.generator), weights))
  if (!real) throw new FxError('invalid-argument', 'generatorLoss: the relativistic hinge needs the logits of targets')
  return discriminatorLoss(fake, real, objective, weights)
}

/**
 * What the discriminator minimises, given its logits of targets and of the student's answers; pooled as in
 * `generatorLoss`. The caller owns the scalar.
 *
 * @throws FxError `invalid-argument` for another objective.
 */
export const discriminatorLoss = (
  real: readonly tf.Tensor4D[],
  fake: readonly tf.Tensor4D[],
  objective: AdversarialObjective,
  weights?: tf.Tensor4D,
): tf.Scalar => {
  const sides = sidesOf(objective)
  return tf.tidy(() => {
    const [ofReal, ofFake] =
      objective === 'relativistic-hinge' ? [relativeTo(real, fake), relativeTo(fake, real)] : [real, fake]
    return tf.add(overScales(ofReal.map(sides.real), weights), overScales(ofFake.map(sides.fake), weights))
  })
}
