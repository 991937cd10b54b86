import { describe, expect, it } from 'vitest'
import { failure, fixture } from '../../test/fixtures.js'
import { bytesSource, encodeSafetensors, openCheckpoint } from '../index.js'

/** A file of a header and some data. */
const file = (header: unknown, dataBytes: number): Uint8Array => {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header))
  const bytes = new Uint8Array(8 + text.length + dataBytes)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true)
  bytes.set(text, 8)
  return bytes
}
const f32 = (shape: unknown, ...data_offsets: number[]) => ({ dtype: 'F32', shape, data_offsets })

describe('a safetensors header', () => {
  it.each([
    ['overlapping offsets', { a: f32([2], 0, 8), b: f32([2], 4, 12) }, 12, 'inside'],
    ['the same bytes twice', { a: f32([2], 0, 8), b: f32([2], 0, 8) }, 8, 'inside'],
    ['a gap', { a: f32([2], 0, 8), b: f32([2], 12, 20) }, 20, 'beyond the end'],
    ['offsets out of range', { a: f32([2], 0, 8) }, 4, 'is truncated'],
    ['offsets backwards', { a: f32([2], 8, 0) }, 8, 'has offsets 8 to 0'],
    ['a wrong size', { a: f32([3], 0, 8) }, 8, 'shape [3] has offsets'],
    ['a size beyond 2^53', { a: f32([2 ** 40, 2 ** 40], 0, 8) }, 8, 'has offsets'],
    ['a negative size', { a: f32([-2, -1], 0, 8) }, 8, 'no sound dtype and shape'],
    ['a size that is no number', { a: f32(['2'], 0, 8) }, 8, 'no sound dtype and shape'],
    ['bytes that nobody owns', { a: f32([2], 0, 8) }, 9, '1 bytes follow'],
    ['an unknown type', { a: { ...f32([2], 0, 8), dtype: 'F4' } }, 1, "dtype 'F4'"],
    ['metadata that are not text', { __metadata__: { a: 1 } }, 4, 'not a string'],
    ['a list', '[          ]', 4, 'no known layout'],
    ['half of JSON', '{"a": {"dtype"     ', 4, 'not JSON'],
    [
      'the same name twice',
      `{"a":${JSON.stringify(f32([1], 0, 4))},"\\u0061":${JSON.stringify(f32([1], 4, 8))}}`,
      8,
      "'a' twice",
    ],
    ['the same field twice', '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"shape":[1]}}', 4, "'shape' twice"],
    ['a nesting without end', `{"a":${'['.repeat(100_000)}`, 4, 'not JSON'],
  ])('with %s is refused', async (_, header, dataBytes, message) => {
    const error = await failure(openCheckpoint(file(header, dataBytes)))
    expect(error.message).toContain(message)
    expect(['corrupt-file', 'unsupported']).toContain((error as { code?: string }).code)
  })

  it('that is larger than the file or than allowed is refused before it is read', async () => {
    const bytes = file({ a: f32([2], 0, 8) }, 8)
    for (const [length, message] of [
      [2n ** 64n - 1n, 'the most allowed'],
      [10n ** 8n + 1n, 'the most allowed'],
      [10n ** 7n, 'is truncated'],
    ] as const) {
      new DataView(bytes.buffer).setBigUint64(0, length, true)
      expect((await failure(openCheckpoint(bytes))).message).toContain(message)
    }
  })
})

it.each([128, 384, 640, 896, 1152, 1408])(
  'a header of %i bytes, which begins like a pickle, is a header',
  async length => {
    const header = JSON.stringify({ a: f32([2], 0, 8) }).padEnd(length)
    const { layout, tensors } = await openCheckpoint(file(header, 8))
    expect([layout, [...tensors.keys()]]).toEqual(['safetensors', ['a']])
  },
)

describe('reduced precision', () => {
  const roundTrip = async (values: number[], dtype: 'float16' | 'bfloat16') => {
    const bytes = encodeSafetensors([['x', { shape: [values.length], data: Float32Array.from(values), dtype }]])
    return [...((await (await openCheckpoint(bytes)).tensors.get('x')!.load()) as Float32Array)]
  }

  it('keeps every half-precision number', async () => {
    const header = file({ x: { dtype: 'F16', shape: [65536], data_offsets: [0, 131072] } }, 131072)
    const bits = Uint16Array.from({ length: 65536 }, (_, index) => index)
    header.set(new Uint8Array(bits.buffer), header.length - 131072)
    const values = (await (await openCheckpoint(header)).tensors.get('x')!.load()) as Float32Array
    const again = await roundTrip([...values], 'float16')
    values.forEach((value, index) => void (Object.is(again[index], value) || expect(again[index]).toBe(value)))
  })

  it('rounds to the nearest, ties to even', async () => {
    const step = 2 ** -10
    expect(
      await roundTrip(
        [1 + step / 2, 1 + 1.5 * step, 1 + 0.51 * step, 65519, 65520, -1e9, 2 ** -25, 1.01 * 2 ** -25],
        'float16',
      ),
    ).toEqual([1, 1 + 2 * step, 1 + step, 65504, Infinity, -Infinity, 0, 2 ** -24])
    expect(await roundTrip([1 + 2 ** -8, 1 + 3 * 2 ** -8, -3.0e38, Number.NaN, Infinity], 'bfloat16')).toEqual([
      1,
      1 + 2 ** -6,
      -3.00405527047391e38,
      Number.NaN,
      Infinity,
    ])
  })
})

describe('a source of one’s own', () => {
  it('may give views at odd bytes', async () => {
    const whole = fixture('tiny.safetensors')
    const odd = new Uint8Array(whole.length + 1)
    odd.set(whole, 1)
    const source = {
      ...bytesSource(whole),
      read: async (at: number, length: number) => odd.subarray(1 + at, 1 + at + length),
    }
    const { tensors } = await openCheckpoint(source)
    expect(await tensors.get('scale')!.load()).toEqual(Float32Array.of(9))
    expect(await tensors.get('half')!.load()).toEqual(Float32Array.of(0, 1, -2, 65504, 2 ** -24))
  })
})
