import { FxError, integerIn, numberIn, oneOf } from '@fx/core'
import * as z from 'zod/mini'
import en from 'zod/v4/locales/en.js'
import { type PredictionType, predictionTypes } from './prediction.js'
import { type BetaSchedule, betaSchedules } from './schedule.js'
import type { Threshold } from './threshold.js'
import { type TimestepSpacing, timestepSpacings } from './timesteps.js'

const varianceTypes = ['fixed_small', 'fixed_large', 'learned_range'] as const
/** The variance of a DDPM step: that of the posterior, its upper bound, or between them as the network says. */
export type VarianceType = (typeof varianceTypes)[number]

/** diffusers' `scheduler_config.json`, in camelCase, with the defaults of its DDPMScheduler. */
export interface SchedulerConfig {
  /** Default 1000. */
  numTrainTimesteps?: number
  /** Default `linear`; Imagen and DeepFloyd IF have `squaredcos_cap_v2`. */
  betaSchedule?: BetaSchedule
  /** Ends of the linear schedule. Default 0.0001 and 0.02. */
  betaStart?: number
  betaEnd?: number
  /** Default `epsilon`. */
  predictionType?: PredictionType
  /** Default `fixed_small`. `learned_range` needs a network with twice the channels. */
  varianceType?: VarianceType
  /** Cut predicted pictures to +-`clipSampleRange`, unless `thresholding`. Default true. */
  clipSample?: boolean
  /** Default 1. */
  clipSampleRange?: number
  /** Dynamic thresholding of predicted pictures. Default false. */
  thresholding?: boolean
  /** Its quantile. Default 0.995. */
  dynamicThresholdingRatio?: number
  /** The most that it divides by; null for no bound. Default 1. */
  sampleMaxValue?: number | null
  /** Where a number of steps lies on the chain. Default `leading`. */
  timestepSpacing?: TimestepSpacing
  /** Added to the timesteps of `leading`. Default 0. */
  stepsOffset?: number
  /** DDIM's last step leads to the picture itself, not to timestep 0. Default true. */
  setAlphaToOne?: boolean
  /**
   * DPM-Solver++ starts where `log(alpha / sigma)` is at least this; null for no limit. Default -5.1 for
   * `squaredcos_cap_v2`, whose first timestep tells nothing of the picture.
   */
  lambdaMinClipped?: number | null
  /** DPM-Solver++'s last step leads to the picture itself (`zero`, the default) or to timestep 0. */
  finalSigmasType?: 'zero' | 'sigma_min'
  /** DPM-Solver++'s last step is of first order when there are fewer than 15. Default true. */
  lowerOrderFinal?: boolean
  /** ... whatever their number. Default false. */
  eulerAtFinal?: boolean
}

export type ResolvedSchedulerConfig = Readonly<Required<SchedulerConfig>>

/**
 * A scheduler's configuration with every default filled in.
 *
 * @throws FxError `invalid-argument`, naming the value and the allowed ones.
 */
export const resolveSchedulerConfig = (config: SchedulerConfig): ResolvedSchedulerConfig => {
  const betaSchedule = config.betaSchedule ?? 'linear'
  const all = {
    numTrainTimesteps: 1000,
    betaStart: 1e-4,
    betaEnd: 0.02,
    predictionType: 'epsilon',
    varianceType: 'fixed_small',
    clipSample: true,
    clipSampleRange: 1,
    thresholding: false,
    dynamicThresholdingRatio: 0.995,
    sampleMaxValue: 1,
    timestepSpacing: 'leading',
    stepsOffset: 0,
    setAlphaToOne: true,
    lambdaMinClipped: betaSchedule === 'squaredcos_cap_v2' ? -5.1 : null,
    finalSigmasType: 'zero',
    lowerOrderFinal: true,
    eulerAtFinal: false,
    ...config,
    betaSchedule,
  } as const
  const name = (member: keyof SchedulerConfig) => `imagen: ${member}`
  integerIn(name('numTrainTimesteps'), all.numTrainTimesteps, 2, 1_000_000)
  oneOf(name('betaSchedule'), all.betaSchedule, betaSchedules)
  numberIn(name('betaStart'), all.betaStart, Number.MIN_VALUE, 0.999)
  numberIn(name('betaEnd'), all.betaEnd, all.betaStart, 0.999)
  oneOf(name('predictionType'), all.predictionType, predictionTypes)
  oneOf(name('varianceType'), all.varianceType, varianceTypes)
  numberIn(name('clipSampleRange'), all.clipSampleRange, Number.MIN_VALUE, Number.MAX_VALUE)
  numberIn(name('dynamicThresholdingRatio'), all.dynamicThresholdingRatio, 0, 1)
  if (all.sampleMaxValue !== null) numberIn(name('sampleMaxValue'), all.sampleMaxValue, 1, Number.MAX_VALUE)
  oneOf(name('timestepSpacing'), all.timestepSpacing, timestepSpacings)
  integerIn(name('stepsOffset'), all.stepsOffset, 0, all.numTrainTimesteps - 1)
  if (all.lambdaMinClipped !== null) numberIn(name('lambdaMinClipped'), all.lambdaMinClipped, -1e9, 0)
  oneOf(name('finalSigmasType'), all.finalSigmasType, ['zero', 'sigma_min'])
  return all
}

/** How a scheduler keeps predicted pictures within range. */
export const thresholdOf = (config: ResolvedSchedulerConfig): Threshold | false => {
  if (config.thresholding) {
    const max = config.sampleMaxValue ?? Number.POSITIVE_INFINITY
    return { kind: 'dynamic', percentile: config.dynamicThresholdingRatio, max }
  }
  return config.clipSample && { kind: 'static', range: config.clipSampleRange }
}

/** A scheduler that keeps predicted pictures within range in another way; without one, as it is. */
export const withThreshold = (
  config: ResolvedSchedulerConfig,
  threshold: Threshold | false | undefined,
): ResolvedSchedulerConfig => {
  if (threshold === undefined) return config
  if (!threshold) return { ...config, thresholding: false, clipSample: false }
  if (threshold.kind === 'static') {
    return { ...config, thresholding: false, clipSample: true, clipSampleRange: threshold.range }
  }
  const { percentile: dynamicThresholdingRatio, max } = threshold
  const sampleMaxValue = max === Number.POSITIVE_INFINITY ? null : max
  return { ...config, thresholding: true, dynamicThresholdingRatio, sampleMaxValue }
}

/** Python writes an infinite bound as `-Infinity`, which is no JSON. */
const limit = z.nullish(z.number())

const schema = z.object({
  _class_name: z.optional(z.string()),
  num_train_timesteps: z.optional(z.number()),
  beta_schedule: z.optional(z.string()),
  beta_start: z.optional(z.number()),
  beta_end: z.optional(z.number()),
  prediction_type: z.optional(z.string()),
  variance_type: z.nullish(z.string()),
  clip_sample: z.optional(z.boolean()),
  clip_sample_range: z.optional(z.number()),
  thresholding: z.optional(z.boolean()),
  dynamic_thresholding_ratio: z.optional(z.number()),
  sample_max_value: limit,
  timestep_spacing: z.optional(z.string()),
  steps_offset: z.optional(z.number()),
  set_alpha_to_one: z.optional(z.boolean()),
  lambda_min_clipped: limit,
  final_sigmas_type: z.optional(z.string()),
  lower_order_final: z.optional(z.boolean()),
  euler_at_final: z.optional(z.boolean()),
  trained_betas: z.nullish(z.array(z.number())),
  rescale_betas_zero_snr: z.optional(z.boolean()),
  algorithm_type: z.optional(z.string()),
  solver_order: z.optional(z.number()),
  solver_type: z.optional(z.string()),
  use_karras_sigmas: z.nullish(z.boolean()),
  use_lu_lambdas: z.nullish(z.boolean()),
})

/** What diffusers' schedulers can do and this one cannot, and the values under which that does not matter. */
const fixed: readonly [keyof z.infer<typeof schema>, readonly unknown[]][] = [
  ['trained_betas', [null]],
  ['rescale_betas_zero_snr', [false]],
  ['algorithm_type', ['dpmsolver++']],
  ['solver_order', [2]],
  ['solver_type', ['midpoint']],
  ['use_karras_sigmas', [false, null]],
  ['use_lu_lambdas', [false, null]],
]

const camel = (name: string): string => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())

/**
 * A scheduler from the parsed JSON of a `scheduler_config.json` of diffusers' DDPMScheduler, DDIMScheduler or
 * DPMSolverMultistepScheduler. Which sampler runs is not decided by it.
 *
 * @throws FxError `corrupt-file` for what is no such configuration, `unsupported` for a member whose value is not
 *   implemented, `invalid-argument` for values out of range.
 */
export const parseSchedulerConfig = (json: unknown): ResolvedSchedulerConfig => {
  const result = schema.safeParse(json, { error: en().localeError })
  if (!result.success) {
    throw new FxError('corrupt-file', `imagen: not a scheduler configuration: ${z.prettifyError(result.error)}`)
  }
  const { _class_name: className = '', ...given } = result.data
  for (const [member, allowed] of fixed) {
    const value = given[member as keyof typeof given]
    if (value !== undefined && !allowed.includes(value)) {
      throw new FxError(
        'unsupported',
        `imagen: a scheduler with ${member} ${JSON.stringify(value)} is not implemented; only with ${allowed.map(one => JSON.stringify(one)).join(' or ')}`,
        { details: { member, value } },
      )
    }
  }
  const solver = className.startsWith('DPMSolver')
  const members = Object.entries(given).filter(
    ([member, value]) =>
      value !== undefined &&
      !fixed.some(([name]) => name === member) &&
      !(member === 'variance_type' && value === null),
  )
  return resolveSchedulerConfig({
    // The solver's own defaults.
    ...(solver && { clipSample: false, timestepSpacing: 'linspace', lambdaMinClipped: null }),
    ...Object.fromEntries(members.map(([member, value]) => [camel(member), value])),
  })
}

/** The JSON that `parseSchedulerConfig` and diffusers read. */
export const schedulerConfigJson = (config: SchedulerConfig): Record<string, unknown> => ({
  _class_name: 'DDPMScheduler',
  ...Object.fromEntries(
    Object.entries(resolveSchedulerConfig(config)).map(([member, value]) => [
      member.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`),
      value,
    ]),
  ),
})
