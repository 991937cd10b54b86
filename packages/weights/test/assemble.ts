// Pickles by hand, an operation at a time.
import { Op } from '../src/pickle/opcodes.js'

export type Part = number | string | readonly Part[]

const utf8 = new TextEncoder()

/** Operations are numbers; text stands for its bytes. */
export const assemble = (...parts: readonly Part[]): Uint8Array =>
  Uint8Array.from(
    parts.flatMap(part =>
      typeof part === 'number' ? [part] : typeof part === 'string' ? [...utf8.encode(part)] : [...assemble(...part)],
    ),
  )

/** A whole pickle, with bytes behind it so that it is as long as a checkpoint must be. */
export const pickled = (...parts: readonly Part[]): Uint8Array =>
  assemble(Op.PROTO, 4, ...parts, Op.STOP, ' '.repeat(16))

/** A little-endian number of `bytes` bytes. */
export const little = (value: number, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, index) => Math.floor(value / 256 ** index) & 255)

export const global = (module: string, name: string): Part => [Op.GLOBAL, module, '\n', name, '\n']

export const text = (value: string): Part => [Op.SHORT_BINUNICODE, utf8.encode(value).length, value]

/** The same part many times over. */
export const repeated = (part: Part, times: number): Uint8Array => {
  const bytes = assemble(part)
  const all = new Uint8Array(bytes.length * times)
  for (let i = 0; i < times; i++) all.set(bytes, i * bytes.length)
  return all
}

/** Parts that are too long to be spread. */
export const joined = (...pieces: readonly Uint8Array[]): Uint8Array => {
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    all.set(piece, at)
    at += piece.length
  }
  return all
}
