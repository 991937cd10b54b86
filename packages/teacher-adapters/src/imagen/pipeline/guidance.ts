import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { splitOutput } from '../diffusion/prediction.js'
import type { Stage } from './stage.js'

/** A prompt, and how much its prediction counts for each image. */
export interface Condition {
  /** `[N, L, D]` */
  text: tf.Tensor3D
  /** Of the prediction; over all conditions they add up to 1. */
  weights: readonly number[]
  /** Of the learned variance; guidance leaves it alone. */
  variances: readonly number[]
}

/**
 * Classifier-free guidance toward a mixture of prompts, each image with shares of its own:
 * `negative + guidance (sum of shares x prompts - negative)`. A prompt whose share is zero everywhere costs nothing.
 *
 * Source: Ho and Salimans, "Classifier-free diffusion guidance", 2022; the mixture as in Liu et al., "Compositional visual
 * generation with composable diffusion models", ECCV 2022, section 3.
 *
 * @throws FxError `invalid-argument` when guidance lacks its negative prompt.
 */
export const guidedBy = (
  guidance: readonly number[],
  prompts: readonly { text: tf.Tensor3D; shares: readonly number[] }[],
  negative: tf.Tensor3D | undefined,
): Condition[] => {
  const none = guidance.map(() => 0)
  const conditions = prompts.map(({ text, shares }) => ({
    text,
    weights: shares.map((share, row) => share * guidance[row]!),
    variances: shares,
  }))
  if (guidance.some(weight => weight !== 1)) {
    if (!negative) {
      throw new FxError('invalid-argument', 'imagen: guidance needs the embedding of the negative or the empty prompt')
    }
    conditions.push({ text: negative, weights: guidance.map(weight => 1 - weight), variances: none })
  }
  return conditions.filter(({ weights }) => weights.some(weight => weight !== 0))
}

/** A factor for each image, as a number when it is the same for all. */
const factor = (values: readonly number[]): tf.TensorLike | tf.Tensor4D =>
  values.every(value => value === values[0]) ? values[0]! : tf.tensor4d([...values], [values.length, 1, 1, 1])

const weighted = (x: tf.Tensor4D, weights: readonly number[], sum: tf.Tensor4D | undefined): tf.Tensor4D => {
  const part = tf.mul<tf.Tensor4D>(x, factor(weights))
  return sum ? tf.add(sum, part) : part
}

/**
 * What a stage answers for noisy images `x` `[N, R, R, 3]` at a timestep, its conditions mixed. One pass of the network for
 * each condition, so that what an image gets does not depend on the conditions of the images beside it. The caller owns
 * it.
 *
 * @param behind the noisy low-resolution images of a super-resolution stage.
 */
export const predictGuided = (
  { unet, low }: Pick<Stage, 'unet' | 'low'>,
  x: tf.Tensor4D,
  timestep: number,
  conditions: readonly Condition[],
  behind?: tf.Tensor4D,
): tf.Tensor4D =>
  tf.tidy(() => {
    const [rows] = x.shape
    const input = behind ? tf.concat([x, behind], 3) : x
    const repeated = (value: number) => Array<number>(rows).fill(value)
    let prediction: tf.Tensor4D | undefined
    let variance: tf.Tensor4D | undefined
    for (const { text, weights, variances } of conditions) {
      const output = unet.predict(input, repeated(timestep), {
        text,
        ...(low && { noiseLevel: repeated(low.level) }),
      })
      const parts = splitOutput(output, x.shape[3])
      prediction = weighted(parts.prediction, weights, prediction)
      if (parts.variance) variance = weighted(parts.variance, variances, variance)
    }
    return variance ? tf.concat([prediction!, variance], 3) : prediction!
  })
