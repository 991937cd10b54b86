import { FxError, numberIn, oneOf } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import type { NoiseScale } from './schedule.js'

export const predictionTypes = ['epsilon', 'sample', 'v_prediction'] as const
/** What a network predicts: the noise, the picture, or `v = alpha eps - sigma x_0` (Salimans and Ho, ICLR 2022). */
export type PredictionType = (typeof predictionTypes)[number]

/** One scale for all images, or one for each. */
export type NoiseScales = NoiseScale | readonly NoiseScale[]

/** `a x + b y` for images `[N, ...]`, where a and b follow from an image's scale. */
const mix = <T extends tf.Tensor>(
  x: T,
  y: T,
  scales: NoiseScales,
  weights: (scale: NoiseScale) => readonly [number, number],
): T =>
  tf.tidy(() => {
    if ('alpha' in scales) {
      const [a, b] = weights(scales)
      return tf.add(tf.mul(x, a), tf.mul(y, b))
    }
    if (scales.length !== x.shape[0]) {
      throw new FxError('shape-mismatch', `imagen: ${scales.length} noise scales for ${x.shape[0]} images`)
    }
    const both = scales.map(weights)
    const column = (which: 0 | 1) =>
      tf.tensor(
        both.map(pair => pair[which]),
        [scales.length, ...x.shape.slice(1).map(() => 1)],
      )
    return tf.add(tf.mul(x, column(0)), tf.mul(y, column(1)))
  })

/** `alpha x0 + sigma noise`: the picture after so much diffusion. The caller owns it. */
export const addNoise = <T extends tf.Tensor>(x0: T, noise: T, scales: NoiseScales): T =>
  mix(x0, noise, scales, s => [s.alpha, s.sigma])

/** What a perfect network of this type answers: the target of its training. The caller owns it. */
export const predictionTarget = <T extends tf.Tensor>(
  type: PredictionType,
  x0: T,
  noise: T,
  scales: NoiseScales,
): T => {
  oneOf('imagen: predictionType', type, predictionTypes)
  if (type === 'epsilon') return tf.clone(noise)
  if (type === 'sample') return tf.clone(x0)
  return mix(noise, x0, scales, s => [s.alpha, -s.sigma])
}

/** The picture that a prediction stands for, not thresholded. The caller owns it. */
export const toX0 = <T extends tf.Tensor>(type: PredictionType, output: T, x: T, scales: NoiseScales): T => {
  oneOf('imagen: predictionType', type, predictionTypes)
  if (type === 'sample') return tf.clone(output)
  if (type === 'v_prediction') {
    return mix(x, output, scales, s => [s.alpha, -s.sigma])
  }
  return mix(x, output, scales, s => [1 / s.alpha, -s.sigma / s.alpha])
}

/** The noise that a prediction stands for. The caller owns it. */
export const toEpsilon = <T extends tf.Tensor>(type: PredictionType, output: T, x: T, scales: NoiseScales): T => {
  oneOf('imagen: predictionType', type, predictionTypes)
  if (type === 'epsilon') return tf.clone(output)
  if (type === 'sample') return epsilonOf(output, x, scales)
  return mix(x, output, scales, s => [s.sigma, s.alpha])
}

/** The noise in `x` when `x0` is the picture in it. The caller owns it. */
export const epsilonOf = <T extends tf.Tensor>(x0: T, x: T, scales: NoiseScales): T =>
  mix(x, x0, scales, s => [1 / s.sigma, -s.alpha / s.sigma])

/**
 * The two halves of an output with learned variances, `[..., 2C]`; without them (`[..., C]`) `variance` is absent. The
 * caller owns both.
 *
 * @throws FxError `shape-mismatch` for another number of channels.
 */
export const splitOutput = (
  output: tf.Tensor4D,
  channels: number,
): { prediction: tf.Tensor4D; variance?: tf.Tensor4D } => {
  const last = output.shape[3]
  if (last === channels) return { prediction: tf.clone(output) }
  if (last === 2 * channels) {
    const [prediction, variance] = tf.split(output, 2, 3) as [tf.Tensor4D, tf.Tensor4D]
    return { prediction, variance }
  }
  throw new FxError(
    'shape-mismatch',
    `imagen: a model output has ${last} channels; for images of ${channels} channels it must have ${channels} or ${2 * channels}`,
  )
}

/**
 * Classifier-free guidance: the prediction is moved from the one without the prompt through the one with it,
 * `u + weight (c - u)`; learned variances are the conditional ones. Weight 1 is the conditional output. The caller owns it.
 *
 * Source: Ho and Salimans, "Classifier-free diffusion guidance", 2022, equation 6.
 *
 * @param channels of the images; outputs have as many, or twice as many.
 */
export const guide = (
  conditional: tf.Tensor4D,
  unconditional: tf.Tensor4D,
  weight: number,
  channels: number,
): tf.Tensor4D =>
  tf.tidy(() => {
    const { prediction, variance } = splitOutput(conditional, channels)
    const without = splitOutput(unconditional, channels).prediction
    const guided = tf.add<tf.Tensor4D>(without, tf.mul(tf.sub(prediction, without), weight))
    return variance ? tf.concat([guided, variance], 3) : guided
  })

/**
 * Weight of an image's squared error in training: what is easy (little noise) does not drown what is hard.
 *
 * Source: Hang et al., "Efficient diffusion training via min-SNR weighting strategy", ICCV 2023, section 3.4.
 */
export const minSnrWeight = (type: PredictionType, { alpha, sigma }: NoiseScale, gamma = 5): number => {
  oneOf('imagen: predictionType', type, predictionTypes)
  numberIn('imagen: gamma', gamma, 0, Number.MAX_VALUE)
  const snr = (alpha / sigma) ** 2
  const capped = Math.min(snr, gamma)
  if (type === 'sample') return capped
  return type === 'epsilon' ? capped / snr : capped / (snr + 1)
}
