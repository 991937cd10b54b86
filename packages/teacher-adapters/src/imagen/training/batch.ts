import { type SeededRandom, seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { seededNoise } from '../diffusion/noise.js'
import { addNoise, minSnrWeight, predictionTarget } from '../diffusion/prediction.js'
import { discreteSchedule, type NoiseScale } from '../diffusion/schedule.js'
import { type NoisyBatch, predictionTypeOf } from './loss.js'
import type { ImagenTrainerOptions } from './trainer-types.js'

/** Images `[N, R, R, 3]` at a lower resolution, a divisor of R: means of squares. The caller owns them. */
export const toLowResolution = (images: tf.Tensor4D, resolution: number): tf.Tensor4D => {
  const cell = images.shape[1] / resolution
  return tf.avgPool(images, cell, cell, 'valid')
}

/**
 * Timesteps of a batch, spread evenly over all `of` them from a random start: each image's is uniform, and the batch's
 * mean loss varies less than with independent ones.
 *
 * Source: Kingma et al., "Variational diffusion models", NeurIPS 2021, appendix I.1.
 */
const spreadTimesteps = (count: number, of: number, { uniform }: SeededRandom): number[] => {
  const start = uniform()
  return Array.from({ length: count }, (_, i) => Math.floor(((start + i / count) % 1) * of))
}

export type BatchOptions = Pick<ImagenTrainerOptions, 'seed' | 'stage' | 'schedule' | 'objective' | 'minSnrGamma'>

/**
 * Makes images `[N, R, R, 3]` in [-1, 1] what the network sees in a step, and says what it is to tell. Everything random
 * is drawn from streams named by seed and step. The caller owns the tensors.
 *
 * Sources: Salimans and Ho, "Progressive distillation for fast sampling of diffusion models", ICLR 2022 (velocity); Ho et
 * al., "Cascaded diffusion models for high fidelity image generation", JMLR 2022, section 4.2 (super-resolution).
 */
export const noisyBatches = ({ seed, stage, schedule: betaSchedule, objective, minSnrGamma }: BatchOptions) => {
  const { betas, scaleAt } = discreteSchedule({ betaSchedule })
  const type = predictionTypeOf[objective]
  const { resolution } = stage

  return (images: tf.Tensor4D, step: number): NoisyBatch => {
    const [count] = images.shape
    const noise = (what: string): tf.Tensor4D =>
      seededNoise(
        Array.from({ length: count }, (_, image) => [seed, what, step, image]),
        [resolution, resolution, 3],
      )
    const timesteps = spreadTimesteps(count, betas.length, seededRandom(seed, 'timesteps', step))
    const scales = timesteps.map(scaleAt)
    const weightOf = (scale: NoiseScale) => (minSnrGamma === false ? 1 : minSnrWeight(type, scale, minSnrGamma))

    const low = () => {
      if (!('lowResolution' in stage)) return undefined
      const { min, max } = stage.noiseLevel
      const { integer } = seededRandom(seed, 'noise level', step)
      const noiseLevel = Array.from({ length: count }, () => min + integer(max + 1 - min))
      const small = toLowResolution(images, stage.lowResolution)
      const enlarged = tf.image.resizeBilinear(small, [resolution, resolution], true)
      return { noiseLevel, images: addNoise(enlarged, noise('low-resolution noise'), noiseLevel.map(scaleAt)) }
    }

    let noiseLevel: readonly number[] | undefined
    const tensors = tf.tidy(() => {
      const drawn = noise('noise')
      const noisy = addNoise(images, drawn, scales)
      const behind = low()
      noiseLevel = behind?.noiseLevel
      return {
        x: behind ? tf.concat4d([noisy, behind.images], 3) : noisy,
        target: predictionTarget(type, images, drawn, scales),
        weights: tf.tensor4d(scales.map(weightOf), [count, 1, 1, 1]),
      }
    })
    return { ...tensors, timesteps, ...(noiseLevel && { noiseLevel }) }
  }
}
