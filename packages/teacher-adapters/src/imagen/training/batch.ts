import { type SeededRandom, seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { addNoise, minSnrWeight, predictionTarget } from '../diffusion/prediction.js'
import { type DiscreteSchedule, discreteSchedule } from '../diffusion/schedule.js'
import { type NoisyBatch, predictionTypeOf } from './loss.js'
import type { ImagenTrainerOptions, SuperResolutionStage } from './trainer-types.js'

/** Standard normal values; Box-Muller with both of its values, in half the time of `random.normal()`. */
export const normals = (shape: [number, number, number, number], { uniform }: SeededRandom): tf.Tensor4D => {
  const values = new Float32Array(tf.util.sizeFromShape(shape))
  for (let i = 0; i < values.length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()))
    const angle = 2 * Math.PI * uniform()
    values[i] = radius * Math.cos(angle)
    values[i + 1] = radius * Math.sin(angle)
  }
  return tf.tensor4d(values, shape)
}

/**
 * What a super-resolution stage gets of images `[N, R, R, 3]`: their low-resolution form, enlarged again, with noise at
 * these levels. The caller owns it.
 *
 * Source: Ho et al., "Cascaded diffusion models for high fidelity image generation", JMLR 2022, section 4.
 */
export const lowResolutionInput = (
  schedule: DiscreteSchedule,
  images: tf.Tensor4D,
  lowResolution: number,
  noiseLevel: readonly number[],
  random: SeededRandom,
): tf.Tensor4D =>
  tf.tidy(() => {
    const side = images.shape[1]
    const cell = side / lowResolution
    const enlarged = tf.image.resizeBilinear(tf.avgPool(images, cell, cell, 'valid'), [side, side], true)
    return addNoise(enlarged, normals(images.shape, random), noiseLevel.map(schedule.scaleAt))
  })

/**
 * Timesteps of a batch, spread evenly over all `of` them from a random start: each image's is uniform, and the batch's
 * mean loss varies less than with independent ones.
 *
 * Source: Kingma et al., "Variational diffusion models", NeurIPS 2021, appendix I.1.
 */
export const spreadTimesteps = (count: number, of: number, { uniform }: SeededRandom): number[] => {
  const start = uniform()
  return Array.from({ length: count }, (_, i) => Math.floor(((start + i / count) % 1) * of))
}

const drawLevels = ({ noiseLevel: { min, max } }: SuperResolutionStage, count: number, random: SeededRandom) =>
  Array.from({ length: count }, () => min + random.integer(max + 1 - min))

export type BatchOptions = Pick<ImagenTrainerOptions, 'seed' | 'stage' | 'schedule' | 'objective' | 'minSnrGamma'>

/**
 * Makes images `[N, R, R, 3]` in [-1, 1] what the network sees in a step, and says what it is to tell. Everything random
 * is drawn from streams named by seed and step. The caller owns the tensors.
 */
export const noisyBatches = ({ seed, stage, schedule: betaSchedule, objective, minSnrGamma }: BatchOptions) => {
  const schedule = discreteSchedule({ betaSchedule })
  const type = predictionTypeOf[objective]
  return (images: tf.Tensor4D, step: number): NoisyBatch => {
    const random = (what: string): SeededRandom => seededRandom(seed, what, step)
    const count = images.shape[0]
    const timesteps = spreadTimesteps(count, schedule.betas.length, random('timesteps'))
    const scales = timesteps.map(schedule.scaleAt)
    const weights = scales.map(scale => (minSnrGamma === false ? 1 : minSnrWeight(type, scale, minSnrGamma)))
    const noiseLevel = 'lowResolution' in stage ? drawLevels(stage, count, random('noise level')) : undefined
    const tensors = tf.tidy(() => {
      const noise = normals(images.shape, random('noise'))
      const noisy = addNoise(images, noise, scales)
      const low =
        'lowResolution' in stage &&
        lowResolutionInput(schedule, images, stage.lowResolution, noiseLevel!, random('low-resolution noise'))
      return {
        x: low ? tf.concat4d([noisy, low], 3) : noisy,
        target: predictionTarget(type, images, noise, scales),
        weights: tf.tensor4d(weights, [count, 1, 1, 1]),
      }
    })
    return { ...tensors, timesteps, ...(noiseLevel && { noiseLevel }) }
  }
}
