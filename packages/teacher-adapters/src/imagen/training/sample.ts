import { seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { guide } from '../diffusion/prediction.js'
import { sampler } from '../diffusion/scheduler.js'
import type { SchedulerConfig } from '../diffusion/scheduler-config.js'
import type { DiffusionUnet } from '../unet/unet.js'
import { normals } from './batch.js'
import { predictionTypeOf } from './loss.js'
import type { ImagenTrainerOptions } from './trainer-types.js'

/** How the network of a training is sampled from; part of its file. */
export const schedulerOf = ({
  schedule,
  objective,
}: Pick<ImagenTrainerOptions, 'schedule' | 'objective'>): SchedulerConfig => ({
  betaSchedule: schedule,
  predictionType: predictionTypeOf[objective],
  // The first step starts from what the network saw as pure noise, however few steps there are.
  timestepSpacing: 'trailing',
})

/** What images are sampled from. */
export interface SampleConditions {
  /** `[N, L, D]`. */
  text: tf.Tensor3D
  /** Of the empty prompt, `[1, L, D]`. */
  unconditional: tf.Tensor3D
  /** The enlarged images of super-resolution, `[N, R, R, 3]`, and the level of their noise. */
  low?: { images: tf.Tensor4D; noiseLevel: number }
  /** Names the starting noise: one an image. */
  seeds: readonly (string | number)[]
}

/**
 * Images `[N, R, R, 3]` by deterministic DDIM with classifier-free guidance. The caller owns them; the conditions stay
 * the caller's.
 */
export const sample = async (
  unet: DiffusionUnet,
  scheduler: SchedulerConfig,
  { steps, guidance }: { steps: number; guidance: number },
  { text, unconditional, low, seeds }: SampleConditions,
): Promise<tf.Tensor4D> => {
  const { timesteps, step } = sampler(scheduler, { kind: 'ddim', steps })
  const count = seeds.length
  const side = unet.config.sampleSize
  const twice = guidance !== 1
  const [words, behind] = tf.tidy(() => {
    const both = twice ? tf.concat3d([text, tf.tile(unconditional, [count, 1, 1])], 0) : text.clone()
    return [both, low && (twice ? tf.concat4d([low.images, low.images], 0) : low.images.clone())] as const
  })
  let x = tf.tidy(() =>
    tf.concat4d(
      seeds.map(seed => normals([1, side, side, 3], seededRandom('sample', seed))),
      0,
    ),
  )
  try {
    for (const [index, timestep] of timesteps.entries()) {
      const next = tf.tidy(() => {
        const images = twice ? tf.concat4d([x, x], 0) : x
        const rows = images.shape[0]
        const output = unet.predict(behind ? tf.concat4d([images, behind], 3) : images, Array(rows).fill(timestep), {
          text: words,
          ...(low && { noiseLevel: Array(rows).fill(low.noiseLevel) }),
        })
        if (!twice) return step({ output, x, index }).x
        const [conditional, without] = tf.split(output, 2) as [tf.Tensor4D, tf.Tensor4D]
        return step({ output: guide(conditional, without, guidance, 3), x, index }).x
      })
      x.dispose()
      x = next
      // A backend that works in the background is not given all steps at once.
      await x.data()
    }
    return x
  } catch (error) {
    x.dispose()
    throw error
  } finally {
    tf.dispose([words, behind ?? []])
  }
}
