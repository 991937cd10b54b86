import { FxError, integerIn, numberIn, oneOf } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { epsilonOf, type PredictionType, splitOutput, toEpsilon, toX0 } from './prediction.js'
import { logSnrOf, type NoiseScale, posterior } from './schedule.js'
import type { VarianceType } from './scheduler-config.js'
import { type Threshold, thresholded } from './threshold.js'

/** The way from noise to a picture. */
export interface SamplingPath {
  /** What the network is told at each step, 0-999 of 1000: falling. */
  readonly timesteps: readonly number[]
  /** The scale before each step, and that after the last. */
  readonly scales: readonly NoiseScale[]
}

export const samplerKinds = ['ddpm', 'ddim', 'dpm-solver++'] as const
export type SamplerKind = (typeof samplerKinds)[number]

/** How a step is taken. */
export type SamplerMethod =
  | { kind: 'ddpm' }
  | {
      kind: 'ddim'
      /** 0 (the default) adds no noise, 1 as much as DDPM. */
      eta?: number
      /**
       * Derive the noise anew from the thresholded picture, as DeepFloyd IF and guided-diffusion do. Default true; false
       * is diffusers' default, under which images of strong guidance drift out of range.
       */
      useClippedModelOutput?: boolean
    }
  | {
      kind: 'dpm-solver++'
      /** 0 (the default) solves the ODE, 1 the SDE, which adds noise as DDPM does and needs fewer steps than it. */
      eta?: number
    }

export type SamplerRule = SamplerMethod & {
  predictionType: PredictionType
  /** Default false: predicted pictures are left as they are. */
  threshold?: Threshold | false
  /** Of DDPM's steps. Default `fixed_small`. */
  varianceType?: VarianceType
  /** Whether DPM-Solver++'s last step is of first order, which few steps need. Default true. */
  firstOrderFinal?: boolean
}

export interface SamplerStep {
  /** What the network answered, after guidance: `[N, H, W, C]`, or `[N, H, W, 2C]` with variances. */
  output: tf.Tensor4D
  /** `[N, H, W, C]` */
  x: tf.Tensor4D
  /** Which step of the path, from 0. */
  index: number
  /** Standard normal, of the shape of `x`; needed where `drawsNoise(index)`. */
  noise?: tf.Tensor4D
  /** `x0` of the step before, which DPM-Solver++ extrapolates from; without it, the step is of first order. */
  previous?: tf.Tensor4D
}

/** Takes noise to a picture step by step. Holds no tensor and no state: every step is a pure function. */
export interface Sampler extends SamplingPath {
  readonly kind: SamplerKind
  /** Whether a step adds noise. */
  drawsNoise(index: number): boolean
  /**
   * One step: `x` of the next scale, and the picture that was predicted, thresholded. The caller owns both.
   *
   * @throws FxError `invalid-argument`, `shape-mismatch`.
   */
  step(input: SamplerStep): { x: tf.Tensor4D; x0: tf.Tensor4D }
}

/** What the update of a step works on. */
interface Parts {
  from: NoiseScale
  to: NoiseScale
  x: tf.Tensor4D
  x0: tf.Tensor4D
  prediction: tf.Tensor4D
  variance: tf.Tensor4D | undefined
  index: number
  noise: tf.Tensor4D | undefined
  previous: tf.Tensor4D | undefined
}

/** The least variance, whose logarithm is still finite. */
const LEAST_VARIANCE = 1e-20

/**
 * A sampler along any path.
 *
 * Sources: Ho et al., "Denoising diffusion probabilistic models", NeurIPS 2020, algorithm 2, with the learned variances of
 * Nichol and Dhariwal, ICML 2021, equation 15 (`ddpm`); Song et al., "Denoising diffusion implicit models", ICLR 2021,
 * equation 12 (`ddim`); Lu et al., "DPM-Solver++: fast solver for guided sampling of diffusion probabilistic models", 2022,
 * algorithm 2, the multistep solver of second order (`dpm-solver++`), with `eta` 1 that of its appendix for the SDE.
 *
 * @throws FxError `invalid-argument`.
 */
export const samplerOn = (path: SamplingPath, rule: SamplerRule): Sampler => {
  oneOf('imagen: sampler', rule.kind, samplerKinds)
  const { timesteps, scales } = path
  if (timesteps.length === 0 || scales.length !== timesteps.length + 1) {
    throw new FxError(
      'invalid-argument',
      `imagen: a path of ${timesteps.length} timesteps has ${scales.length} scales; it needs one step at least, and a scale more`,
    )
  }
  const last = timesteps.length - 1
  const eta = rule.kind === 'ddpm' ? 0 : numberIn('imagen: eta', rule.eta ?? 0, 0, 1)

  const drawsNoise = (index: number): boolean => index < last && (rule.kind === 'ddpm' || eta > 0)

  const ddpm = (step: Parts): tf.Tensor4D => {
    const varianceType = rule.varianceType ?? 'fixed_small'
    const { x0Weight, xWeight, variance, beta } = posterior(step.from, step.to)
    const mean = tf.add<tf.Tensor4D>(tf.mul(step.x0, x0Weight), tf.mul(step.x, xWeight))
    if (!step.noise) return mean
    if (varianceType !== 'learned_range') {
      const chosen = varianceType === 'fixed_large' ? beta : Math.max(variance, LEAST_VARIANCE)
      return tf.add(mean, tf.mul(step.noise, Math.sqrt(chosen)))
    }
    if (!step.variance) {
      throw new FxError(
        'shape-mismatch',
        `imagen: the variance is to be learned, and the model output has only the ${step.x.shape[3]} channels of the images`,
      )
    }
    const [least, most] = [Math.log(Math.max(variance, LEAST_VARIANCE)), Math.log(beta)]
    // The network answers -1 for the least, 1 for the most; half of the logarithm gives the deviation.
    const deviation = tf.exp(tf.add(tf.mul(step.variance, (most - least) / 4), (most + least) / 4))
    return tf.add(mean, tf.mul(step.noise, deviation))
  }

  const ddim = (rederive: boolean, step: Parts): tf.Tensor4D => {
    const { from, to, x, x0, prediction, noise } = step
    const epsilon = rederive ? epsilonOf(x0, x, from) : toEpsilon(rule.predictionType, prediction, x, from)
    const variance = noise ? eta ** 2 * posterior(from, to).variance : 0
    const next = tf.add<tf.Tensor4D>(tf.mul(x0, to.alpha), tf.mul(epsilon, Math.sqrt(to.sigma ** 2 - variance)))
    return noise ? tf.add(next, tf.mul(noise, Math.sqrt(variance))) : next
  }

  const solver = (firstOrder: boolean, step: Parts): tf.Tensor4D => {
    const { from, to, x, x0, noise, previous, index } = step
    const h = (logSnrOf(to) - logSnrOf(from)) / 2
    // Without noise, as in the last step, the ODE is solved: h may then be infinite.
    const noisy = noise ? eta * h : 0
    const weight = -to.alpha * Math.expm1(-h - noisy)
    let next = tf.add<tf.Tensor4D>(tf.mul(x, (to.sigma / from.sigma) * Math.exp(-noisy)), tf.mul(x0, weight))
    if (previous && !firstOrder) {
      const hBefore = (logSnrOf(from) - logSnrOf(scales[index - 1]!)) / 2
      next = tf.add(next, tf.mul(tf.sub(x0, previous), (weight * h) / hBefore / 2))
    }
    return noise ? tf.add(next, tf.mul(noise, to.sigma * Math.sqrt(-Math.expm1(-2 * noisy)))) : next
  }

  return {
    ...path,
    kind: rule.kind,
    drawsNoise,
    step({ output, x, index, noise, previous }) {
      integerIn('imagen: step', index, 0, last)
      if (drawsNoise(index) && !noise) {
        throw new FxError('invalid-argument', `imagen: step ${index} of the sampler '${rule.kind}' needs noise`)
      }
      return tf.tidy(() => {
        const [from, to] = [scales[index]!, scales[index + 1]!]
        const { prediction, variance } = splitOutput(output, x.shape[3])
        const x0 = thresholded(toX0(rule.predictionType, prediction, x, from), rule.threshold ?? false)
        const drawn = drawsNoise(index) ? noise : undefined
        const parts: Parts = { from, to, x, x0, prediction, variance, index, noise: drawn, previous }
        if (rule.kind === 'ddpm') return { x: ddpm(parts), x0 }
        if (rule.kind === 'ddim') return { x: ddim(rule.useClippedModelOutput ?? true, parts), x0 }
        const firstOrder = to.sigma === 0 || (index === last && (rule.firstOrderFinal ?? true))
        return { x: solver(firstOrder, parts), x0 }
      })
    },
  }
}
