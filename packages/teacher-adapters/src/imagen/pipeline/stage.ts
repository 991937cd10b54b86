import { FxError, integerIn, numberIn } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { seededNoise } from '../diffusion/noise.js'
import { addNoise } from '../diffusion/prediction.js'
import type { Sampler } from '../diffusion/sampler.js'
import { type DiscreteSchedule, discreteSchedule } from '../diffusion/schedule.js'
import { type SamplerOptions, sampler } from '../diffusion/scheduler.js'
import { type ResolvedSchedulerConfig, resolveSchedulerConfig, withThreshold } from '../diffusion/scheduler-config.js'
import type { Threshold } from '../diffusion/threshold.js'
import type { ImagenStageWeights } from '../stage-file.js'
import { type DiffusionUnet, imagenUnet } from '../unet/unet.js'

/** How one stage is sampled. */
export interface StageSampling {
  /** Default DPM-Solver++ with 20 steps, for super-resolution with 10. */
  sampler?: SamplerOptions
  /** Weight of the prompt in classifier-free guidance; 1 is without. Default 4, for super-resolution 1. */
  guidance?: number
  /** Default: as the scheduler's configuration says. */
  threshold?: Threshold | false
  /**
   * Super-resolution only: how much noise its low-resolution image is given, a timestep. More hides more of that image's
   * faults, and of its detail. Default 250, or what is nearest to it of the levels that the stage was trained with.
   */
  noiseLevel?: number
}

/** A stage of a cascade, ready to run. */
export interface Stage {
  readonly unet: DiffusionUnet
  readonly sampler: Sampler
  /** With the threshold that is used. */
  readonly scheduler: ResolvedSchedulerConfig
  readonly guidance: number
  /** Side of its images, pixels. */
  readonly resolution: number
  /** What a super-resolution stage needs to know of its input; absent for a base stage. */
  readonly low?: { readonly level: number; readonly schedule: DiscreteSchedule }
}

/** Guidance beyond this is a slip. */
const MOST_GUIDANCE = 1000

/**
 * A stage from its weights, which are the caller's no more: the stage owns tensors until its network is disposed of.
 *
 * @throws FxError `invalid-argument` for options out of range, and those of `imagenUnet` and `sampler`.
 */
export const openStage = (weights: ImagenStageWeights, index: number, sampling: StageSampling): Stage => {
  const enlarges = weights.unet.inChannels === 6
  const name = `imagen: stage ${index + 1}`
  if (enlarges !== index > 0) {
    throw new FxError(
      'invalid-argument',
      `${name} ${enlarges ? 'enlarges images; the first stage must make them from noise' : 'makes images from noise; every stage but the first must enlarge'}`,
    )
  }
  const config = withThreshold(resolveSchedulerConfig(weights.scheduler), sampling.threshold)
  const steps = sampler(config, sampling.sampler ?? { kind: 'dpm-solver++', steps: enlarges ? 10 : 20 })
  const guidance = numberIn(`${name}: guidance`, sampling.guidance ?? (enlarges ? 1 : 4), 0, MOST_GUIDANCE)
  const { min, max } = weights.stage.noiseLevel ?? { min: 0, max: config.numTrainTimesteps - 1 }
  if (!enlarges && sampling.noiseLevel !== undefined) {
    throw new FxError('invalid-argument', `${name} makes images from noise and takes no noiseLevel`)
  }
  const level = integerIn(`${name}: noiseLevel`, sampling.noiseLevel ?? Math.min(max, Math.max(min, 250)), min, max)
  const noising = resolveSchedulerConfig(weights.lowResolutionScheduler ?? config)
  return {
    sampler: steps,
    scheduler: config,
    guidance,
    resolution: weights.stage.resolution,
    ...(enlarges && { low: { level, schedule: discreteSchedule(noising) } }),
    unet: imagenUnet({ config: weights.unet, weights: weights.weights }),
  }
}

/**
 * What a super-resolution stage sees beside its own image: `images` `[N, h, w, 3]` enlarged, with noise of its level. The
 * caller owns it.
 *
 * Source: Ho et al., "Cascaded diffusion models for high fidelity image generation", JMLR 2022, section 4.2.
 *
 * @param streams name each image's noise.
 */
export const lowResolutionInput = (
  { resolution }: Pick<Stage, 'resolution'>,
  { level, schedule }: NonNullable<Stage['low']>,
  images: tf.Tensor4D,
  streams: readonly (readonly (string | number)[])[],
): tf.Tensor4D =>
  tf.tidy(() => {
    const enlarged = tf.image.resizeBilinear(images, [resolution, resolution], true)
    return addNoise(enlarged, seededNoise(streams, [resolution, resolution, 3]), schedule.scaleAt(level))
  })
