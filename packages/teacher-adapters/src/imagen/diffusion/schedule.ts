import { FxError, integerIn, numberIn, oneOf } from '@fx/core'

/**
 * How much of a noisy image is picture and how much is noise: `x_t = alpha x_0 + sigma eps`, with
 * `alpha^2 + sigma^2 = 1`. `{ alpha: 1, sigma: 0 }` is the picture itself.
 */
export interface NoiseScale {
  alpha: number
  sigma: number
}

export const betaSchedules = ['squaredcos_cap_v2', 'linear'] as const
/** `squaredcos_cap_v2` is the cosine schedule of Nichol and Dhariwal, `linear` that of Ho et al. */
export type BetaSchedule = (typeof betaSchedules)[number]

export interface BetaOptions {
  betaSchedule: BetaSchedule
  /** Timesteps of the whole chain. Default 1000. */
  numTrainTimesteps?: number
  /** The ends of the linear schedule. Default 0.0001 and 0.02. */
  betaStart?: number
  betaEnd?: number
}

/** The chain of a discrete diffusion, in double precision. */
export interface DiscreteSchedule {
  /** Variance of the noise that timestep t adds. */
  readonly betas: readonly number[]
  /** Share of the picture's variance that is left after timestep t: alpha^2. */
  readonly alphasCumprod: readonly number[]
  /** The scale after timestep t; -1 stands for the picture itself. */
  scaleAt(t: number): NoiseScale
}

/** Largest beta of the cosine schedule (Nichol and Dhariwal, section 3.2). */
const MOST_BETA = 0.999

const cosineShare = (t: number): number => Math.cos((((t + 0.008) / 1.008) * Math.PI) / 2) ** 2

const betasOf = ({ betaSchedule, numTrainTimesteps = 1000, betaStart = 1e-4, betaEnd = 0.02 }: BetaOptions) => {
  oneOf('imagen: betaSchedule', betaSchedule, betaSchedules)
  const count = integerIn('imagen: numTrainTimesteps', numTrainTimesteps, 2, 1_000_000)
  if (betaSchedule === 'linear') {
    numberIn('imagen: betaStart', betaStart, Number.MIN_VALUE, 0.999)
    numberIn('imagen: betaEnd', betaEnd, betaStart, 0.999)
    return Array.from({ length: count }, (_, t) => betaStart + ((betaEnd - betaStart) * t) / (count - 1))
  }
  return Array.from({ length: count }, (_, t) =>
    Math.min(1 - cosineShare((t + 1) / count) / cosineShare(t / count), MOST_BETA),
  )
}

/**
 * The betas of a discrete diffusion and what follows from them.
 *
 * Sources: Ho et al., "Denoising diffusion probabilistic models", NeurIPS 2020, section 4 (linear); Nichol and Dhariwal,
 * "Improved denoising diffusion probabilistic models", ICML 2021, section 3.2 (cosine).
 *
 * @throws FxError `invalid-argument`; in `scaleAt` for what is no timestep of the chain.
 */
export const discreteSchedule = (options: BetaOptions): DiscreteSchedule => {
  const betas = betasOf(options)
  let product = 1
  const alphasCumprod = betas.map(beta => {
    product *= 1 - beta
    return product
  })
  return {
    betas,
    alphasCumprod,
    scaleAt(t) {
      integerIn('imagen: timestep', t, -1, betas.length - 1)
      const share = t === -1 ? 1 : alphasCumprod[t]!
      return { alpha: Math.sqrt(share), sigma: Math.sqrt(1 - share) }
    },
  }
}

/** Logarithm of the ratio of signal and noise, `log(alpha^2 / sigma^2)`. */
export const logSnrOf = ({ alpha, sigma }: NoiseScale): number => 2 * (Math.log(alpha) - Math.log(sigma))

/** The scale of a log-SNR: `alpha = sqrt(sigmoid(l))`, `sigma = sqrt(sigmoid(-l))`. */
export const scaleOfLogSnr = (logSnr: number): NoiseScale => ({
  alpha: Math.sqrt(1 / (1 + Math.exp(-logSnr))),
  sigma: Math.sqrt(1 / (1 + Math.exp(logSnr))),
})

const continuousSchedules = ['cosine', 'linear'] as const
export type ContinuousSchedule = (typeof continuousSchedules)[number]

/**
 * Log-SNR of continuous time t in [0, 1]: 0 is the picture (nearly), 1 is noise.
 *
 * Source: Saharia et al., "Photorealistic text-to-image diffusion models with deep language understanding", NeurIPS 2022,
 * appendix; the constants are those of Ho et al. and of Nichol and Dhariwal in continuous time.
 *
 * @throws FxError `invalid-argument`.
 */
export const continuousLogSnr = (schedule: ContinuousSchedule, t: number): number => {
  oneOf('imagen: schedule', schedule, continuousSchedules)
  numberIn('imagen: time', t, 0, 1)
  return schedule === 'linear'
    ? -Math.log(Math.expm1(1e-4 + 10 * t * t))
    : -Math.log(Math.max(1 / cosineShare(t) - 1, 1e-5))
}

/** What a step from one scale to a less noisy one is made of; all numbers in double precision. */
export interface Posterior {
  /** The mean is `x0Weight x_0 + xWeight x`. */
  x0Weight: number
  xWeight: number
  variance: number
  /** Variance of the noise between the two scales: the upper bound of the posterior's. */
  beta: number
}

/**
 * The Gaussian q(x_s | x_t, x_0) for a scale `from` (t) and a less noisy one `to` (s).
 *
 * Source: Kingma et al., "Variational diffusion models", NeurIPS 2021, appendix A; the same as equation 7 of Ho et al. when
 * s and t are timesteps of a discrete chain.
 *
 * @throws FxError `invalid-argument` when `to` is noisier than `from`.
 */
export const posterior = (from: NoiseScale, to: NoiseScale): Posterior => {
  const share = -Math.expm1(logSnrOf(from) - logSnrOf(to))
  if (!(share >= 0)) {
    throw new FxError(
      'invalid-argument',
      `imagen: a step must not lead to more noise; it leads from sigma ${from.sigma} to ${to.sigma}`,
    )
  }
  return {
    x0Weight: to.alpha * share,
    xWeight: ((1 - share) * to.alpha) / from.alpha,
    variance: to.sigma ** 2 * share,
    beta: share * from.sigma ** 2,
  }
}
