import { type EffectSpec, FxError, integerIn, numberIn, parseEffectSpec } from '@fx/core'
import type { TeacherAdapter } from '../contract/types.js'
import { type AlignmentOptions, resolveAlignment } from '../image/alignment.js'

export interface ConformanceOptions {
  /** Heads the block of cases in vitest's report. */
  name: string
  /** Opens a new instance; called twice. Prepare a tfjs backend here, or before, if the adapter needs one. */
  create(): TeacherAdapter | Promise<TeacherAdapter>
  /**
   * Every effect that the adapter declares, as its users ask for it; where it declares `'any'`, a few. At their
   * defaults the effects must show. The first one is asked for most, and taught to the small network.
   */
  effects: readonly EffectSpec[]
  /**
   * The module that makes the adapter: its URL, or the name of a package, with a subpath if need be. All that it imports
   * is searched for students.
   */
  entry: URL | string
  /** Export conditions under which packages resolve, besides Node's own. Default none. */
  conditions?: readonly string[]
  /** Side of the images that most cases ask for. Default 32, or the nearest that the adapter declares. */
  size?: number
  /** How many pairs of the first effect are looked at, at least 2. Default 4, or as many as there are. */
  pairs?: number
  /** What the edit may do to a picture, and from where on it shows; the defaults of `judgeAlignment`. */
  alignment?: AlignmentOptions
  /** The small network that is taught the first effect. */
  distillation?: {
    /** Pairs to learn from, at least 4; it is judged on those of `pairs`. Default 24, or as many as there are. */
    pairs?: number
    /**
     * The held-out loss must fall by this share below that of doing nothing and below that of showing everyone the mean
     * target. Default 0.1.
     */
    margin?: number
  }
  /** Milliseconds for a case. Default 120000. */
  timeout?: number
}

/** The options, checked, with their defaults. */
export interface ResolvedOptions extends Omit<Required<ConformanceOptions>, 'size' | 'alignment' | 'distillation'> {
  size: number | undefined
  alignment: Required<AlignmentOptions>
  distillation: { pairs: number; margin: number }
  /** The folder from which `entry` is looked up when it is a package's name. */
  from: string
}

/** @throws FxError `invalid-argument` for options that say nothing or too much. */
export const resolveOptions = (options: ConformanceOptions, from: string): ResolvedOptions => {
  const { effects, size } = options
  if (effects.length === 0) {
    throw new FxError('invalid-argument', 'teacherConformance: effects is empty; give every effect of the adapter')
  }
  for (const effect of effects) parseEffectSpec(effect)
  return {
    ...options,
    from,
    conditions: options.conditions ?? [],
    size: size === undefined ? undefined : integerIn('teacherConformance: size', size, 1, 65_536),
    pairs: integerIn('teacherConformance: pairs', options.pairs ?? 4, 2, 1000),
    alignment: resolveAlignment(options.alignment ?? {}),
    distillation: {
      pairs: integerIn('teacherConformance: distillation.pairs', options.distillation?.pairs ?? 24, 4, 1000),
      margin: numberIn('teacherConformance: distillation.margin', options.distillation?.margin ?? 0.1, 0, 0.99),
    },
    timeout: integerIn('teacherConformance: timeout', options.timeout ?? 120_000, 1, 2 ** 31 - 1),
  }
}
