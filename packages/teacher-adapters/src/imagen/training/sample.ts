import type * as tf from '@tensorflow/tfjs-core'
import { seededNoise } from '../diffusion/noise.js'
import { type DiscreteSchedule, discreteSchedule } from '../diffusion/schedule.js'
import { sampler } from '../diffusion/scheduler.js'
import type { SchedulerConfig } from '../diffusion/scheduler-config.js'
import { denoise } from '../pipeline/denoise.js'
import { guidedBy, predictGuided } from '../pipeline/guidance.js'
import { lowResolutionInput, type Stage } from '../pipeline/stage.js'
import type { DiffusionUnet } from '../unet/unet.js'
import type { ResolvedImagenTraining } from './config.js'
import { predictionTypeOf } from './loss.js'
import type { ImagenTrainerOptions } from './trainer-types.js'

/** How the network of a training is sampled from; part of its file. */
export const schedulerOf = ({
  schedule,
  objective,
}: Pick<ImagenTrainerOptions, 'schedule' | 'objective'>): SchedulerConfig => ({
  betaSchedule: schedule,
  predictionType: predictionTypeOf[objective],
})

/** What images are sampled from. The tensors stay the caller's. */
export interface SampleConditions {
  /** `[N, L, D]`. */
  text: tf.Tensor3D
  /** Of the empty prompt, `[N, L, D]`. */
  unconditional: tf.Tensor3D
  guidance: number
  /** The small images of super-resolution, in [-1, 1]. */
  low?: tf.Tensor4D | undefined
  /** Name an image's noise. */
  seeds: readonly (string | number)[]
}

/** Samples from a stage in training, as a cascade would. */
export const stageSampler = ({ trainer, sampling }: ResolvedImagenTraining) => {
  const { stage, schedule } = trainer
  const { resolution } = stage
  const steps = sampler(schedulerOf(trainer), { kind: 'dpm-solver++', steps: sampling.steps })
  const chain: DiscreteSchedule = discreteSchedule({ betaSchedule: schedule })
  /** Images `[N, R, R, 3]` in about [-1, 1]; the caller owns them. */
  return async (
    unet: DiffusionUnet,
    { text, unconditional, guidance, low, seeds }: SampleConditions,
  ): Promise<tf.Tensor4D> => {
    const all: Pick<Stage, 'unet' | 'low'> = {
      unet,
      ...(low && { low: { level: sampling.noiseLevel, schedule: chain } }),
    }
    const once = seeds.map(() => 1)
    const conditions = guidedBy(
      seeds.map(() => guidance),
      [{ text, shares: once }],
      unconditional,
    )
    const noise = (...purpose: (string | number)[]) => seeds.map(seed => [seed, 'imagen', ...purpose])
    const behind = all.low && lowResolutionInput(stage, all.low, low!, noise('low'))
    try {
      const { x } = await denoise({
        sampler: steps,
        start: { x: seededNoise(noise('start'), [resolution, resolution, 3]) },
        from: 0,
        predict: (images, timestep) => predictGuided(all, images, timestep, conditions, behind),
        noise: index => seededNoise(noise('step', index), [resolution, resolution, 3]),
        proceed: () => {},
        onStep: () => {},
      })
      return x
    } finally {
      behind?.dispose()
    }
  }
}
