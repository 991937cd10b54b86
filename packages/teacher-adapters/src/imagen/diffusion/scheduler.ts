import { FxError, integerIn, oneOf } from '@fx/core'
import {
  type Sampler,
  type SamplerKind,
  type SamplerMethod,
  type SamplingPath,
  samplerKinds,
  samplerOn,
} from './sampler.js'
import {
  type ContinuousSchedule,
  continuousLogSnr,
  discreteSchedule,
  logSnrOf,
  type NoiseScale,
  scaleOfLogSnr,
} from './schedule.js'
import {
  type ResolvedSchedulerConfig,
  resolveSchedulerConfig,
  type SchedulerConfig,
  thresholdOf,
} from './scheduler-config.js'
import {
  checkedTimesteps,
  respacedTimesteps,
  solverTimesteps,
  spacedTimesteps,
  type TimestepSpacing,
} from './timesteps.js'

export type SamplerOptions = SamplerMethod & {
  /** How many steps. Default 100 for `ddpm`, 50 for `ddim`, 20 for `dpm-solver++`. */
  steps?: number
  /** Instead of `steps`: falling timesteps, or a respacing such as `'7,4,2,1,2,4,7'` (see `respacedTimesteps`). */
  timesteps?: readonly number[] | string
  /** Where `steps` lie. Default: as the scheduler says, for DPM-Solver++ `linspace`. */
  spacing?: TimestepSpacing
}

const defaultSteps: Readonly<Record<SamplerKind, number>> = { ddpm: 100, ddim: 50, 'dpm-solver++': 20 }

/** DPM-Solver++ with at least this many steps can afford a last step of second order. */
const MANY_STEPS = 15

const chosenTimesteps = (
  config: ResolvedSchedulerConfig,
  scaleAt: (t: number) => NoiseScale,
  options: SamplerOptions,
): readonly number[] => {
  const { numTrainTimesteps, stepsOffset, timestepSpacing, lambdaMinClipped } = config
  const { timesteps, kind } = options
  if (typeof timesteps === 'string') return respacedTimesteps(timesteps, numTrainTimesteps)
  if (timesteps) return timesteps
  const steps = options.steps ?? defaultSteps[kind]
  if (kind !== 'dpm-solver++') {
    return spacedTimesteps(steps, options.spacing ?? timestepSpacing, { numTrainTimesteps, stepsOffset })
  }
  let last = numTrainTimesteps
  while (lambdaMinClipped !== null && last > 2 && logSnrOf(scaleAt(last - 1)) / 2 < lambdaMinClipped) last--
  return solverTimesteps(steps, options.spacing ?? 'linspace', { numTrainTimesteps, stepsOffset, last })
}

/**
 * A sampler for a network that was trained with a discrete schedule, as diffusers' schedulers make it.
 *
 * @throws FxError `invalid-argument` for options or a configuration out of range.
 */
export const sampler = (config: SchedulerConfig, options: SamplerOptions): Sampler => {
  const { kind } = options
  oneOf('imagen: sampler', kind, samplerKinds)
  if (options.steps !== undefined && options.timesteps !== undefined) {
    throw new FxError('invalid-argument', 'imagen: a sampler has either steps or timesteps')
  }
  const resolved = resolveSchedulerConfig(config)
  const { scaleAt } = discreteSchedule(resolved)
  const timesteps = checkedTimesteps(chosenTimesteps(resolved, scaleAt, options), resolved.numTrainTimesteps)
  const toTheEnd = kind === 'ddpm' || (kind === 'ddim' ? resolved.setAlphaToOne : resolved.finalSigmasType === 'zero')
  const path = { timesteps, scales: [...timesteps, toTheEnd ? -1 : 0].map(scaleAt) }
  const { eulerAtFinal, lowerOrderFinal } = resolved
  return samplerOn(path, {
    ...options,
    predictionType: resolved.predictionType,
    threshold: thresholdOf(resolved),
    varianceType: resolved.varianceType,
    firstOrderFinal: toTheEnd || eulerAtFinal || (lowerOrderFinal && timesteps.length < MANY_STEPS),
  })
}

/**
 * The path of a network that was trained in continuous time: times evenly from 1 to 0, its timesteps `999 t`.
 *
 * @throws FxError `invalid-argument`.
 */
export const continuousPath = (schedule: ContinuousSchedule, steps: number): SamplingPath => {
  integerIn('imagen: steps', steps, 1, 100_000)
  const times = Array.from({ length: steps + 1 }, (_, i) => (steps - i) / steps)
  return {
    timesteps: times.slice(0, -1).map(t => 999 * t),
    scales: times.map(t => scaleOfLogSnr(continuousLogSnr(schedule, t))),
  }
}
