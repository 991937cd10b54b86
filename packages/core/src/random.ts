import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'

/** A stream of reproducible random numbers. */
export interface SeededRandom {
  /** Uniform in [0, 1), 32 bits of it. */
  uniform(): number
  /** Uniform integer in [0, below). */
  integer(below: number): number
  /** Standard normal (Box-Muller). */
  normal(): number
  /** A new array in random order (Fisher-Yates). */
  shuffled<T>(values: readonly T[]): T[]
}

/**
 * A random stream named by its path, for instance `seededRandom(7, 'augment', step)`. The same path always gives the
 * same stream, so work that names its stream by step or by sample needs no random state in its checkpoints.
 *
 * The generator is sfc32 (Doty-Humphrey, PractRand), seeded with the SHA-256 of the path.
 */
export const seededRandom = (...path: readonly (string | number)[]): SeededRandom => {
  const digest = sha256(utf8ToBytes(JSON.stringify(path)))
  const view = new DataView(digest.buffer, digest.byteOffset)
  let a = view.getUint32(0, true)
  let b = view.getUint32(4, true)
  let c = view.getUint32(8, true)
  let counter = 1

  const uniform = (): number => {
    const t = (a + b + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + t
    return (t >>> 0) / 4294967296
  }
  const integer = (below: number): number => Math.floor(uniform() * below)
  return {
    uniform,
    integer,
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    shuffled: values => {
      const result = [...values]
      for (let i = result.length - 1; i > 0; i--) {
        const j = integer(i + 1)
        ;[result[i], result[j]] = [result[j]!, result[i]!]
      }
      return result
    },
  }
}
