import { type EffectSpec, FxError, type ParameterRange } from '@fx/core'
import type * as tf from '@tensorflow/tfjs-core'
import type { Generator, Latents } from '../generator.js'

/** A way to move a latent, so that the image changes in one respect. */
export interface Edit {
  /** Kebab-case; an EffectSpec of the same id resolves to this edit. */
  readonly id: string
  /** The strengths that give sensible images. 0 always means no change, whether or not it lies in the range. */
  readonly strength: ParameterRange
  /** Changes when the same strength would lead elsewhere. */
  readonly version: string
  /**
   * Moves W+ `[N, numWs, wDim]`, row i by `strengths[i]`. The result belongs to the caller; what it holds for row i
   * depends on that row alone.
   *
   * @throws FxError `shape-mismatch` when the edit was made for another generator.
   */
  apply(generator: Generator, w: tf.Tensor3D, strengths: readonly number[]): Latents
  /** Frees what the edit holds, where it holds tensors. */
  dispose?(): void
}

/** Turns effects that no named edit covers into edits: how a text-driven method (such as StyleCLIP) takes part. */
export interface LatentEditor {
  readonly id: string
  /** Changes when the same effect would give another edit. */
  readonly version: string
  /**
   * The edit for an effect. The same effect and generator must give the same edit; the caller disposes it.
   *
   * @throws FxError `aborted` once the signal fired.
   */
  edit(effect: EffectSpec, generator: Generator, options: { signal?: AbortSignal }): Promise<Edit>
}

/** Effects and edits meet by id, so edits are named as effects are. */
export const checkEditId = (id: string): string => {
  if (/^[a-z0-9]+(-[a-z0-9]+)*$/.test(id)) return id
  throw new FxError('invalid-argument', `The edit id '${id}' must be kebab-case, for instance hair-colour`)
}

/** @throws FxError `invalid-argument` unless min <= default <= max and the range holds more than 0. */
export const checkStrength = (id: string, range: ParameterRange): ParameterRange => {
  const { min, max, default: usual } = range
  const finite = [min, max, usual].every(Number.isFinite)
  if (finite && min <= usual && usual <= max && (min !== 0 || max !== 0)) return { min, max, default: usual }
  throw new FxError(
    'invalid-argument',
    `The strength of the edit '${id}' is { min: ${min}, max: ${max}, default: ${usual} }; min <= default <= max must hold, and 0 alone is no edit`,
  )
}
