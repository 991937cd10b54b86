import { type EffectSpec, seededRandom } from '@fx/core'
import type { RgbImage, TeacherPair } from '../src/index.js'

export const size = 8
export const effect: EffectSpec = {
  id: 'invert',
  prompt: 'a negative',
  parameters: { strength: { min: 0, max: 1, default: 1 } },
}

export const noise = (seed: number, side = size): RgbImage => {
  const random = seededRandom(seed, 'noise')
  return { width: side, height: side, data: Uint8Array.from({ length: side * side * 3 }, () => random.integer(256)) }
}

/** A small pair of noise and its negative. */
export const pairOf = (seed: number, strength = 1, side = size): TeacherPair => {
  const input = noise(seed, side)
  return {
    id: `noise-${seed}`,
    input,
    target: { ...input, data: input.data.map(value => 255 - value) },
    parameters: { strength },
    provenance: { teacher: { id: 'noise', version: '1' }, seed, licence: { id: 'CC0-1.0' } },
  }
}

export async function* pairsOf(from: number, to: number): AsyncGenerator<TeacherPair> {
  for (let seed = from; seed < to; seed++) yield pairOf(seed)
}
