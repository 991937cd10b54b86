import { createHash } from 'node:crypto'
import { FxError } from '@fx/core'
import type { Provenance, RgbImage, TeacherPair } from '@fx/teacher-adapters'

/** The pixels of one pair: HWC, RGB, 0-255. */
export interface PairPixels {
  input: Uint8Array
  target: Uint8Array
}

/** What is known of a pair besides its pixels. */
export interface PairFacts {
  id: string
  parameters: Record<string, number>
  provenance: Provenance
  /** SHA-256 of the input's pixels: equal inputs are found without keeping them. */
  inputHash: string
}

/** Pairs of one size that can be read in any order; pair `i` is the teacher's seed `i`, of those that gave a pair. */
export interface PairSet {
  readonly size: number
  readonly facts: readonly PairFacts[]
  /** The pixels of one pair; not to be written to. At once when they are in memory. */
  read(index: number): PairPixels | Promise<PairPixels>
}

const checkImage = (pair: string, role: string, image: RgbImage, size: number): void => {
  const { width, height, data } = image
  if (width === size && height === size && data.length === size * size * 3) return
  throw new FxError(
    'shape-mismatch',
    `The ${role} of pair '${pair}' is ${width}x${height} with ${data.length} values; ` +
      `the run needs ${size}x${size} RGB, ${size * size * 3} values`,
    { details: { pair, role, width, height, length: data.length, size } },
  )
}

/**
 * Refuses a pair whose images are not both square RGB of the run's size: what any teacher hands over is checked here,
 * once.
 *
 * @throws FxError `shape-mismatch`.
 */
export const checkPair = (pair: TeacherPair, size: number): TeacherPair => {
  checkImage(pair.id, 'input', pair.input, size)
  checkImage(pair.id, 'target', pair.target, size)
  return pair
}

export const factsOf = ({ id, parameters, provenance, input }: TeacherPair): PairFacts => ({
  id,
  parameters,
  provenance,
  inputHash: createHash('sha256').update(input.data).digest('hex'),
})

/** 1 where a channel differs by more than `threshold`, else 0, by pixel. */
export const changedMask = ({ input, target }: PairPixels, threshold: number): Uint8Array => {
  const mask = new Uint8Array(input.length / 3)
  for (let pixel = 0, at = 0; pixel < mask.length; pixel++, at += 3) {
    if (
      Math.abs(input[at]! - target[at]!) > threshold ||
      Math.abs(input[at + 1]! - target[at + 1]!) > threshold ||
      Math.abs(input[at + 2]! - target[at + 2]!) > threshold
    ) {
      mask[pixel] = 1
    }
  }
  return mask
}
