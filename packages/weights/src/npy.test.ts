import { describe, expect, it } from 'vitest'
import { failure, fixture } from '../test/fixtures.js'
import { loadFloat32, openCheckpoint } from './index.js'

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text)

/** A file as NumPy writes it: the header padded to a multiple of 64. */
const npy = (header: string, data: ArrayBufferView, version = 1): Uint8Array => {
  const fixed = version === 1 ? 10 : 12
  const padded = ascii(`${header.padEnd(Math.ceil((header.length + fixed + 1) / 64) * 64 - fixed - 1)}\n`)
  const file = new Uint8Array(fixed + padded.length + data.byteLength)
  const view = new DataView(file.buffer)
  file.set([0x93, ...ascii('NUMPY'), version, 0])
  if (version === 1) view.setUint16(8, padded.length, true)
  else view.setUint32(8, padded.length, true)
  file.set(padded, fixed)
  file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), fixed + padded.length)
  return file
}

const header = (descr: string, shape: string, fortran = 'False'): string =>
  `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': ${shape}, }`

const read = async (bytes: Uint8Array) => {
  const { tensors, layout } = await openCheckpoint(bytes)
  const array = tensors.get('array')!
  return { layout, names: [...tensors.keys()], shape: array.shape, dtype: array.dtype, data: await array.load() }
}

describe('.npy', () => {
  it('is read as NumPy wrote it', async () => {
    const data = Float32Array.from({ length: 24 }, (_, i) => (i - 7.5) / 4)
    expect(await read(fixture('tiny.npy'))).toEqual({
      layout: 'npy',
      names: ['array'],
      shape: [2, 3, 4],
      dtype: 'float32',
      data,
    })
  })

  it.each([1, 2, 3])('version %i', async version => {
    const data = Float64Array.of(1.5, -2, 3)
    expect((await read(npy(header('<f8', '(3,)'), data, version))).data).toEqual(data)
  })

  it('halves, integers, a scalar, nothing at all, and the long integers of Python 2', async () => {
    const halves = await read(npy(header('<f2', '(2, 2)'), Uint16Array.of(0x3c00, 0xc000, 0x3555, 0)))
    expect(halves.data).toEqual(Float32Array.of(1, -2, 0.333251953125, 0))
    const { tensors } = await openCheckpoint(npy(header('<i8', '(2L,)'), BigInt64Array.of(7n, -1n)))
    expect(await loadFloat32(tensors.get('array')!)).toEqual(Float32Array.of(7, -1))
    expect(await read(npy(header('<f4', '()'), Float32Array.of(5)))).toMatchObject({ shape: [] })
    expect(await read(npy(header('<f4', '(0, 4)'), new Float32Array(0)))).toMatchObject({ shape: [0, 4] })
  })

  it('Fortran order becomes row-major', async () => {
    const { shape, data } = await read(npy(header('<i4', '(2, 3)', 'True'), Int32Array.of(1, 4, 2, 5, 3, 6)))
    expect(shape).toEqual([2, 3])
    expect(data).toEqual(Int32Array.of(1, 2, 3, 4, 5, 6))
  })

  const floats = new Float32Array(6)
  it.each([
    ['a big-endian array', npy(header('>f4', '(6,)'), floats), 'unsupported', /'>f4'/],
    ['objects, which are pickles', npy(header('|O', '(6,)'), floats), 'unsupported', /'\|O'/],
    [
      'records',
      npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,), }", floats),
      'unsupported',
      /records/,
    ],
    ['a later version', npy(header('<f4', '(6,)'), floats, 4), 'unsupported', /version 4/],
    ['too few elements', npy(header('<f4', '(7,)'), floats), 'corrupt-file', /28 bytes, and 24/],
    ['too many elements', npy(header('<f4', '(5,)'), floats), 'corrupt-file', /4 bytes follow/],
    ['a number in place of a tuple', npy(header('<f4', '(6)'), floats), 'corrupt-file', /no array's/],
    ['a negative size', npy(header('<f4', '(-6,)'), floats), 'corrupt-file', /no array's/],
    [
      'a size beyond all bounds',
      npy(header('<f4', '(9999999999999999, 9999999999)'), floats),
      'corrupt-file',
      /shape|bytes|header/,
    ],
    ['no shape', npy("{'descr': '<f4', 'fortran_order': False, }", floats), 'corrupt-file', /no array's/],
    ['two shapes', npy(header('<f4', "(6,), 'shape': (6,)"), floats), 'corrupt-file', /no array's/],
    ['an expression', npy(header('<f4', '(2*3,)'), floats), 'corrupt-file', /no array's/],
    ['a header without end', npy(header('<f4', '(6,)').slice(0, -1), floats), 'corrupt-file', /no array's/],
    ['33 axes', npy(header('<f4', `(${'1, '.repeat(32)}6)`), floats), 'unsupported', /33 axes/],
  ])('%s is refused', async (_, bytes, code, message) => {
    const error = await failure(openCheckpoint(bytes))
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) })
  })

  it('a header of megabytes is refused unread', async () => {
    const bytes = npy(header('<f4', '(6,)'), floats, 2)
    new DataView(bytes.buffer).setUint32(8, 50_000_000, true)
    expect(await failure(openCheckpoint(bytes))).toMatchObject({ code: 'corrupt-file' })
  })
})
