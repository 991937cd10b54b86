import { FxError, integerIn, numberIn, recordOf, shown } from '@fx/core'
import type { DistillConfig, Evaluation, OnProgress } from '@fx/distill'
import type { LatencyEngine } from './latency/engine.js'
import type { LatencyModel } from './latency/model.js'
import { defaultSpace, type StudentChoice, type StudentSpace } from './space.js'

/** A student that takes part in a search. */
export interface Candidate {
  /** `s17`, or `preset-small`: also the name of its folder. */
  id: string
  choice: StudentChoice
}

/**
 * Trains a candidate on to a step of the schedule, from wherever an earlier call has left it, and tells a figure on held-out
 * pairs: lower is better, not a number is worst. Asked again for the same step it answers the same.
 */
export type Train = (candidate: Candidate, step: number, context: { signal?: AbortSignal }) => Promise<number>

/** What a search is doing. */
export interface SearchProgress {
  /**
   * `candidates` are built, `latency` is fitted, `entrants` are measured, then trained (`training`), and the last few are
   * measured again (`finalists`).
   */
  phase: 'candidates' | 'latency' | 'entrants' | 'training' | 'finalists'
  done: number
  total: number
  /** What has just been found, in one sentence. */
  message?: string
}

export interface SearchOptions extends Omit<DistillConfig, 'name' | 'student' | 'judge' | 'metrics'> {
  /** The milliseconds that one image may take, from values to values, as `fusedMsP50` of an effect bundle. */
  budgetMs: number
  /** How far below the budget students may be that are drawn from the space, as a part of it. Default 0.1. */
  tolerance?: number
  /** What the student will run on. Default: tfjs on wasm with one thread, in this process. */
  engine?: LatencyEngine
  /** How long students take there, from an earlier search or `fitLatency`. Default: it is fitted on this search's own. */
  latency?: LatencyModel
  /** What to choose from. Default `defaultSpace`. */
  space?: StudentSpace
  /** Students drawn from the space, whose latency is predicted. Default 150. */
  candidates?: number
  /** How many of those near the budget are trained, at most. Default 12. */
  entrants?: number
  /** How often they are compared; the last time is after `training.steps`. Default 3. */
  rungs?: number
  /** One in so many goes on from each comparison, and is trained so many times as long. Default 2. */
  eta?: number
  /** Also train every preset of `@fx/unet-student` within the budget to the end, so that none can be better. Default true. */
  presets?: boolean
  /** Whether students take the effect's parameters as an input. Default false. */
  conditioned?: boolean
  /**
   * What counts on held-out pairs; lower is better. Default: the mean absolute error of the whole picture, over that of
   * doing nothing.
   */
  figure?: (evaluation: Evaluation) => number
  /** How candidates are trained. Default: by `distill`, each in a folder of its own under `out`. */
  train?: Train
  signal?: AbortSignal
  onProgress?: (progress: SearchProgress) => void
  /** What each training tells. */
  onTraining?: OnProgress
}

const names = [
  'budgetMs',
  'tolerance',
  'engine',
  'latency',
  'space',
  'candidates',
  'entrants',
  'rungs',
  'eta',
  'presets',
  'conditioned',
  'figure',
  'train',
  'signal',
  'onProgress',
  'onTraining',
  'out',
  'seed',
  'backend',
  'size',
  'effect',
  'teacher',
  'pairs',
  'training',
  'exporter',
] as const satisfies readonly (keyof SearchOptions)[]

const required = ['budgetMs', 'out', 'size', 'effect', 'teacher', 'pairs', 'training']

const flag = (name: string, value: unknown): boolean => {
  if (typeof value === 'boolean') return value
  throw new FxError('invalid-argument', `${name} is ${shown(value)}; it must be true or false`)
}

const defaultFigure = ({ fullImage }: Evaluation): number => fullImage.studentMae / fullImage.doNothingMae

/**
 * The numbers of a search with every default in its place.
 *
 * @throws FxError `invalid-argument` naming what is wrong, unknown or missing, and what is allowed.
 */
export const resolveSearch = (options: SearchOptions) => {
  const known = Object.fromEntries(names.map(name => [name, options[name] ?? null]))
  recordOf('A search', { ...known, ...options }, names)
  const missing = required.find(name => known[name] === null)
  if (missing !== undefined) throw new FxError('invalid-argument', `A search lacks '${missing}'`)
  const rungs = integerIn('rungs', options.rungs ?? 3, 1, 20)
  const eta = integerIn('eta', options.eta ?? 2, 2, 16)
  const steps = integerIn('training.steps', options.training.steps, 1, Number.MAX_SAFE_INTEGER)
  const first = steps / eta ** (rungs - 1)
  if (first < 1) {
    throw new FxError(
      'invalid-argument',
      `${rungs} rungs with eta ${eta} need training.steps of at least ${eta ** (rungs - 1)}, not ${steps}`,
    )
  }
  return {
    budgetMs: numberIn('budgetMs', options.budgetMs, 1e-3, 1e6),
    tolerance: numberIn('tolerance', options.tolerance ?? 0.1, 0.01, 1),
    space: options.space ?? defaultSpace,
    seed: integerIn('seed', options.seed ?? 1, 0, Number.MAX_SAFE_INTEGER),
    size: integerIn('size', options.size, 32, 8192),
    candidates: integerIn('candidates', options.candidates ?? 150, 2, 100_000),
    entrants: integerIn('entrants', options.entrants ?? 12, 1, 1000),
    eta,
    /** Steps at which candidates are compared. */
    rungs: Array.from({ length: rungs }, (_, rung) => Math.round(steps / eta ** (rungs - 1 - rung))),
    presets: flag('presets', options.presets ?? true),
    conditioned: flag('conditioned', options.conditioned ?? false),
    figure: options.figure ?? defaultFigure,
  }
}

export type ResolvedSearch = ReturnType<typeof resolveSearch>
