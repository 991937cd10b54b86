import type { SeededRandom } from '@fx/core'

/** Numbers that length fields break on. */
const awkward = [0, 1, 127, 128, 255, 256, 65535, 65536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]

/** A copy with a random fault or a few: flipped bits, new bytes, cuts, insertions, repeats, edited length fields. */
export const mutate = (original: Uint8Array, random: SeededRandom): Uint8Array => {
  let bytes = Buffer.from(original)
  const faults = 1 + random.integer(3)
  for (let fault = 0; fault < faults; fault++) {
    const at = random.integer(bytes.length + 1)
    const length = 1 + random.integer(16)
    const kind = random.integer(8)
    if (kind < 2 && at < bytes.length) bytes[at]! ^= 1 << random.integer(8)
    else if (kind === 2 && at < bytes.length) bytes[at] = random.integer(256)
    else if (kind === 3) bytes = bytes.subarray(0, at)
    else if (kind === 4) bytes = Buffer.concat([bytes.subarray(0, at), noise(length, random), bytes.subarray(at)])
    else if (kind === 5) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)])
    else if (kind === 6) {
      const from = random.integer(bytes.length + 1)
      bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(from, from + 4 * length), bytes.subarray(at)])
    } else {
      const width = 2 ** random.integer(4)
      const value = awkward[random.integer(awkward.length)]!
      for (let byte = 0; byte < width && at + byte < bytes.length; byte++)
        bytes[at + byte] = Math.floor(value / 256 ** byte) & 255
    }
  }
  return bytes
}

const noise = (length: number, random: SeededRandom): Uint8Array =>
  Uint8Array.from({ length }, () => random.integer(256))
