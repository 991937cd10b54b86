import type { EffectSpec } from '@fx/core'

/** An image at the teacher boundary: HWC, RGB, 8 bits. Pixels, never tensors, cross this seam. */
export interface RgbImage {
  width: number
  height: number
  /** `width * height * 3` values, 0-255, row by row. */
  data: Uint8Array
}

/** Under which terms the pixels of a pair stand. */
export interface Licence {
  /** SPDX identifier, for instance `CC0-1.0`; `NOASSERTION` when nobody said. */
  id: string
  /** Who must be named, when the licence asks for it. */
  attribution?: string
  url?: string
}

/** Where a pair came from: enough to make it again and to know whether it may be shipped. */
export interface Provenance {
  teacher: { id: string; version: string }
  /** SHA-256 of the teacher's weights or source data, when it has any. */
  weightsHash?: string
  seed: number
  prompt?: string
  licence: Licence
  /** Facts of this teacher alone, for instance a style or an alignment score. Plain JSON. */
  extra?: Record<string, string | number | boolean>
}

/** The same picture before and after the effect: one size, aligned. */
export interface TeacherPair {
  /** Unique within a data set and stable for a seed; letters, digits, `_` and `-`. */
  id: string
  input: RgbImage
  target: RgbImage
  /** The value of every parameter of the effect. */
  parameters: Record<string, number>
  provenance: Provenance
}

/** What a teacher can do, declared so that a caller need not try. */
export interface TeacherCapabilities {
  /** The same seed gives the same bytes, in any process. */
  deterministic: boolean
  /** How many different pairs there are; `Infinity` for a generator. Seeds run from 0 to this, exclusive. */
  pairCount: number
  /** Square sizes it can make, in pixels, inclusive. */
  size: { min: number; max: number }
  /** Ids of the effects it resolves by id, or `'any'` when it reads the prompt. */
  effects: readonly string[] | 'any'
  /** Names of the effect parameters it honours; an effect that declares another one is refused. */
  parameters: readonly string[]
  /**
   * True when the pairs were made before: their provenance tells by whom and from which seed, and their parameter values
   * cannot be chosen, so that callers ask with `parameters: 'sampled'`. Default false.
   */
  recorded?: boolean
}

/** A seed that gave no pair, for instance because a hosted model refused its photograph. */
export interface SkippedSeed {
  seed: number
  /** In one word, for counting: `filtered`, `misaligned`, ... */
  reason: string
  /** In a sentence. */
  message: string
}

/** What a caller asks for. */
export interface PairRequest {
  effect: EffectSpec
  /** Side of the square images, pixels. */
  size: number
  /** One pair for each, in this order. */
  seeds: Iterable<number>
  /**
   * Parameter values: `'default'` gives every pair the effect's defaults, `'sampled'` draws them uniformly from their
   * ranges by seed, an object fixes them.
   */
  parameters?: 'default' | 'sampled' | Record<string, number>
  /** Told of each seed that gives no pair, in its place among the pairs. */
  onSkip?: (skipped: SkippedSeed) => void
  signal?: AbortSignal
}

/**
 * A teacher: anything that turns seeds into aligned pairs. The trainer sees only this, so a teacher can be replaced
 * without a change to the student.
 *
 * `pairs` validates its request before the first pair and throws typed `FxError`s only: `unknown-effect`,
 * `invalid-argument`, `aborted`, ... It yields in the order of `seeds` and holds at most a few pairs in memory. Every seed
 * gives a pair or is told to `onSkip`; none is left out in silence.
 */
export interface TeacherAdapter {
  /** The version of this contract. */
  readonly specificationVersion: 'v1'
  readonly id: string
  /** Changes when the same seed would give other pixels. */
  readonly version: string
  readonly capabilities: TeacherCapabilities
  pairs(request: PairRequest): AsyncIterable<TeacherPair>
  /** Frees what the teacher holds (models, connections). Later calls to `pairs` throw. */
  dispose?(): Promise<void>
}
