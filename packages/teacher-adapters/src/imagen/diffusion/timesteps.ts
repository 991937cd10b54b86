import { FxError, integerIn, oneOf } from '@fx/core'

/** Rounds halves to even, as Python and numpy do. */
const roundHalfEven = (value: number): number => {
  const floor = Math.floor(value)
  return value - floor === 0.5 ? floor + (floor % 2) : Math.round(value)
}

/** Sections of the whole chain that the respacings of a name stand for. */
const named: Readonly<Record<string, string>> = { smart27: '7,4,2,1,2,4,7' }

const badSpec = (spec: string, numTrainTimesteps: number, why: string): FxError =>
  new FxError(
    'invalid-argument',
    `imagen: the respacing '${spec}' ${why}; it must be counts per section ('50' or '7,4,2,1,2,4,7'), 'ddim' and a number of steps, 'fast27' or 'smart27', of at most ${numTrainTimesteps} timesteps`,
    { details: { respacing: spec } },
  )

const sections = (counts: readonly number[], numTrainTimesteps: number, spec: string): number[] => {
  const taken: number[] = []
  const base = Math.floor(numTrainTimesteps / counts.length)
  let start = 0
  counts.forEach((count, section) => {
    const size = base + (section < numTrainTimesteps % counts.length ? 1 : 0)
    if (!Number.isInteger(count) || count < 0 || count > size) {
      throw badSpec(spec, numTrainTimesteps, `asks for ${count} of ${size} timesteps of a section`)
    }
    const stride = count > 1 ? (size - 1) / (count - 1) : 1
    // Summed, not multiplied: halves must fall to the side on which the published lists have them.
    let at = 0
    for (let i = 0; i < count; i++) {
      taken.push(start + roundHalfEven(at))
      at += stride
    }
    start += size
  })
  return taken
}

/**
 * The timesteps that a respacing of DeepFloyd IF and of guided-diffusion keeps, falling: `'50'`, counts for equal sections
 * from the least noisy to the noisiest (`'7,4,2,1,2,4,7'`), `'ddim25'` (an even stride), `'fast27'`, `'smart27'`.
 *
 * @throws FxError `invalid-argument`.
 */
export const respacedTimesteps = (respacing: string, numTrainTimesteps = 1000): number[] => {
  const spec = named[respacing] ?? respacing
  const ddim = /^ddim(\d+)$/.exec(spec)
  if (ddim) {
    const count = Number(ddim[1])
    for (let stride = 1; stride < numTrainTimesteps; stride++) {
      if (Math.ceil(numTrainTimesteps / stride) !== count) continue
      return Array.from({ length: count }, (_, i) => (count - 1 - i) * stride)
    }
    throw badSpec(respacing, numTrainTimesteps, 'fits no whole stride')
  }
  if (spec === 'fast27') {
    // The noisiest timestep is moved, for DDIM's sake.
    const kept = sections([10, 10, 3, 2, 2], numTrainTimesteps, respacing)
    return [...kept.slice(0, -1), numTrainTimesteps - 3].reverse()
  }
  if (!/^\d+(\s*,\s*\d+)*$/.test(spec)) throw badSpec(respacing, numTrainTimesteps, 'is not understood')
  const kept = sections(spec.split(',').map(Number), numTrainTimesteps, respacing)
  if (kept.length === 0) throw badSpec(respacing, numTrainTimesteps, 'keeps no timestep')
  return kept.reverse()
}

export const timestepSpacings = ['leading', 'linspace', 'trailing'] as const
/** Where a number of steps lies on the chain, as in table 2 of Lin et al. (WACV 2024) and in diffusers. */
export type TimestepSpacing = (typeof timestepSpacings)[number]

/** `count` whole numbers from 0 to `last`, falling. Rounded as numpy does, which multiplies a stride. */
const linspace = (last: number, count: number): number[] => {
  const stride = count === 1 ? 0 : last / (count - 1)
  return Array.from({ length: count }, (_, i) => roundHalfEven((count - 1 - i) * stride))
}

/**
 * Falling timesteps of the DDPM and DDIM samplers, as diffusers' schedulers choose them.
 *
 * @throws FxError `invalid-argument`.
 */
export const spacedTimesteps = (
  steps: number,
  spacing: TimestepSpacing,
  { numTrainTimesteps, stepsOffset = 0 }: { numTrainTimesteps: number; stepsOffset?: number },
): number[] => {
  integerIn('imagen: steps', steps, 1, numTrainTimesteps)
  oneOf('imagen: spacing', spacing, timestepSpacings)
  if (spacing === 'linspace') return linspace(numTrainTimesteps - 1, steps)
  if (spacing === 'leading') {
    const ratio = Math.floor(numTrainTimesteps / steps)
    return Array.from({ length: steps }, (_, i) => (steps - 1 - i) * ratio + stepsOffset)
  }
  return Array.from({ length: steps }, (_, i) => roundHalfEven(numTrainTimesteps * (1 - i / steps)) - 1)
}

interface SolverChain {
  numTrainTimesteps: number
  stepsOffset?: number
  /** Only timesteps below this. Default: the whole chain. */
  last?: number
}

/**
 * Falling timesteps of DPM-Solver++, as diffusers' DPMSolverMultistepScheduler chooses them: the last step leads to the
 * picture itself, so timestep 0 is none of them.
 *
 * @throws FxError `invalid-argument`.
 */
export const solverTimesteps = (
  steps: number,
  spacing: TimestepSpacing,
  { numTrainTimesteps, stepsOffset = 0, last = numTrainTimesteps }: SolverChain,
): number[] => {
  integerIn('imagen: steps', steps, 1, last - 1)
  oneOf('imagen: spacing', spacing, timestepSpacings)
  if (spacing === 'linspace') return linspace(last - 1, steps + 1).slice(0, -1)
  if (spacing === 'leading') {
    const ratio = Math.floor(last / (steps + 1))
    return Array.from({ length: steps }, (_, i) => (steps - i) * ratio + stepsOffset)
  }
  return Array.from({ length: steps }, (_, i) => roundHalfEven(last - (i * numTrainTimesteps) / steps) - 1)
}

/**
 * Falling whole timesteps of the chain, as given.
 *
 * @throws FxError `invalid-argument` when they do not fall or leave the chain.
 */
export const checkedTimesteps = (timesteps: readonly number[], numTrainTimesteps: number): readonly number[] => {
  const bad = timesteps.findIndex(
    (t, i) => !Number.isInteger(t) || t < 0 || t >= numTrainTimesteps || (i > 0 && t >= timesteps[i - 1]!),
  )
  if (timesteps.length > 0 && bad === -1) return timesteps
  const found = bad < 1 ? String(timesteps[0] ?? 'none') : `${timesteps[bad - 1]} and then ${timesteps[bad]}`
  throw new FxError(
    'invalid-argument',
    `imagen: timesteps must be whole numbers that fall from at most ${numTrainTimesteps - 1} to at least 0, got ${found}`,
    { details: { timesteps } },
  )
}
