import * as tf from '@tensorflow/tfjs-core'
import type { PredictionType } from '../diffusion/prediction.js'
import type { DiffusionUnet } from '../unet/unet.js'

/** What a network can be trained to tell: velocity, noise, image. */
export const objectives = ['v', 'eps', 'x0'] as const
export type Objective = (typeof objectives)[number]

/** The same in the words of a scheduler's configuration. */
export const predictionTypeOf: Readonly<Record<Objective, PredictionType>> = {
  v: 'v_prediction',
  eps: 'epsilon',
  x0: 'sample',
}

/** What a network sees and is to tell. */
export interface NoisyBatch {
  /** `[N, R, R, 3]`, for super-resolution `[N, R, R, 6]`. */
  x: tf.Tensor4D
  timesteps: readonly number[]
  noiseLevel?: readonly number[]
  /** `[N, R, R, 3]`. */
  target: tf.Tensor4D
  /** `[N, 1, 1, 1]`. */
  weights: tf.Tensor4D
}

/** Weighted mean squared error of what the network predicts; the text is `[N, L, D]`. The caller owns it. */
export const diffusionLoss = (
  unet: Pick<DiffusionUnet, 'predict'>,
  { x, timesteps, noiseLevel, target, weights }: NoisyBatch,
  text: tf.Tensor3D,
): tf.Scalar =>
  tf.tidy(() => {
    const predicted = unet.predict(x, timesteps, { text, ...(noiseLevel && { noiseLevel }) })
    return tf.mean<tf.Scalar>(tf.mul(weights, tf.squaredDifference(predicted, target)))
  })
