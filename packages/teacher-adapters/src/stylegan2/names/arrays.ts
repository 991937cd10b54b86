import { FxError } from '@fx/core'

/** An array of a checkpoint: its shape is known, its elements are read when asked for. */
export interface StoredArray {
  readonly shape: readonly number[]
  /** The elements, row-major, in memory of the caller's own. */
  load(): Promise<Float32Array>
}

export type StoredArrays = ReadonlyMap<string, StoredArray>

/** The layer with the k-th noise: b4.conv1, b8.conv0, b8.conv1, b16.conv0, ... */
export const noiseLayer = (k: number): string => `b${4 << Math.ceil(k / 2)}.conv${k % 2 === 0 ? 1 : 0}`

/** A name that this StyleGAN2 does not have: another architecture. */
export const unknownName = (author: string, name: string): FxError =>
  new FxError(
    'unsupported',
    `stylegan2: ${author} checkpoints are read with the skip generator and the residual discriminator, which have no '${name}'`,
    { details: { name } },
  )
