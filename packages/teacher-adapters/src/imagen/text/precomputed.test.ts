import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { prepareBackend } from '@fx/backend'
import { FxError, seededRandom } from '@fx/core'
import { encodeSafetensors } from '@fx/weights'
import * as tf from '@tensorflow/tfjs-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { precomputedEmbeddings } from '../../imagen.js'

const isFxError = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) })

let folder: string
let tensors: number
beforeAll(async () => {
  await prepareBackend({ backend: 'cpu' })
  folder = await mkdtemp(join(tmpdir(), 'fx-embeddings-'))
})
afterAll(() => rm(folder, { recursive: true }))
beforeEach(() => {
  tensors = tf.memory().numTensors
})
afterEach(() => {
  expect(tf.memory().numTensors).toBe(tensors)
})

/** An array as NumPy saves it. */
const npy = (shape: readonly number[], descr: '<f2' | '<f4' | '<f8', data: ArrayBufferView): Uint8Array => {
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(', ')
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${tuple}), }`.padEnd(117)
  const file = Buffer.alloc(128 + data.byteLength)
  file.write('\x93NUMPY\x01\x00', 'latin1')
  file.writeUInt16LE(118, 8)
  file.write(`${header}\n`, 10, 'latin1')
  file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 128)
  return file
}

const manifest = async (
  embeddings: Record<string, { file: string; tensor?: string }>,
  files: Record<string, Uint8Array>,
  more: object = {},
): Promise<string> => {
  const at = await mkdtemp(join(folder, 'case-'))
  for (const [name, bytes] of Object.entries(files)) {
    await mkdir(dirname(join(at, name)), { recursive: true })
    await writeFile(join(at, name), bytes)
  }
  await writeFile(join(at, 'embeddings.json'), JSON.stringify({ encoder: 'google/t5-v1_1-xxl', embeddings, ...more }))
  return join(at, 'embeddings.json')
}

const floats = (start: number): Float32Array => Float32Array.from({ length: 6 }, (_, i) => start + i)

describe('precomputed embeddings', () => {
  test('prompts are looked up in .npy and safetensors files of every precision', async () => {
    const path = await manifest(
      {
        half: { file: 'half.npy' },
        single: { file: 'more/single 1.npy' },
        double: { file: 'double.npy' },
        '': { file: 'all.safetensors', tensor: 'empty' },
        other: { file: 'all.safetensors', tensor: 'other' },
      },
      {
        'half.npy': npy([2, 3], '<f2', Uint16Array.of(0x3c00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600)),
        'more/single 1.npy': npy([1, 2, 3], '<f4', floats(10)),
        'double.npy': npy([2, 3], '<f8', Float64Array.from(floats(20))),
        'all.safetensors': encodeSafetensors([
          ['empty', { shape: [2, 3], data: floats(30) }],
          ['other', { shape: [1, 2, 3], data: floats(40), dtype: 'float16' }],
        ]),
      },
    )
    const encoder = await precomputedEmbeddings({ manifest: path })
    expect(encoder.id).toBe('google/t5-v1_1-xxl')
    const embedded = await encoder.encode(['', 'half', 'other', 'single', 'double', 'half'])
    expect(embedded.shape).toEqual([6, 2, 3])
    const rows = [30, 1, 40, 10, 20, 1].flatMap(start => [...floats(start)])
    expect([...(await embedded.data())]).toEqual(rows)
    embedded.dispose()
    await expect(encoder.encode(['half', 'a wizard'])).rejects.toEqual(
      isFxError('not-found', /'a wizard' among the 5: .*'half'/),
    )
    await expect(encoder.encode([])).rejects.toEqual(isFxError('invalid-argument', /no prompts/))
    encoder.dispose()
    await expect(encoder.encode(['half'])).rejects.toEqual(isFxError('invalid-argument', /disposed/))
  })

  test('or in memory', async () => {
    const embeddings = new Map([['pink', { shape: [2, 3], data: floats(1) }]])
    const encoder = await precomputedEmbeddings({ embeddings, encoder: 'mine' })
    expect(encoder.id).toBe('mine')
    const embedded = await encoder.encode(['pink'])
    expect([...(await embedded.data())]).toEqual([...floats(1)])
    embedded.dispose()
  })

  test('a file that changed meanwhile is noticed', async () => {
    const path = await manifest({ pink: { file: 'a.npy' } }, { 'a.npy': npy([2, 3], '<f4', floats(1)) })
    const encoder = await precomputedEmbeddings({ manifest: path })
    await writeFile(join(dirname(path), 'a.npy'), npy([1, 3], '<f4', floats(1).subarray(0, 3)))
    await expect(encoder.encode(['pink'])).rejects.toEqual(isFxError('shape-mismatch', /'pink'/))
  })

  test.each([
    ['arrays of two sizes', [2, 3], [3, 2], 'shape-mismatch', /'b' are \[3, 2\], those of 'a' \[2, 3\]/],
    ['a vector', [6], [6], 'shape-mismatch', /'a' must be \[L, D\].*got \[6\]/],
    ['a batch', [2, 1, 3], [2, 1, 3], 'shape-mismatch', /'a' must be/],
  ] as const)('%s are refused', async (_, first, second, code, message) => {
    const embeddings = new Map([
      ['a', { shape: first, data: floats(1) }],
      ['b', { shape: second, data: floats(1) }],
    ])
    await expect(precomputedEmbeddings({ embeddings, encoder: 'e' })).rejects.toEqual(isFxError(code, message))
  })

  test('options that do not go together are refused', async () => {
    const embeddings = new Map([['a', { shape: [2, 3], data: floats(1).subarray(1) }]])
    const refused = async (options: Parameters<typeof precomputedEmbeddings>[0], code: string, message: RegExp) =>
      expect(precomputedEmbeddings(options)).rejects.toEqual(isFxError(code, message))
    await refused({}, 'invalid-argument', /either/)
    await refused({ manifest: 'x', embeddings }, 'invalid-argument', /either/)
    await refused({ embeddings, encoder: 'e' }, 'shape-mismatch', /5 values/)
    await refused({ embeddings: new Map(), encoder: 'e' }, 'invalid-argument', /one prompt at least/)
    const sound = new Map([['a', { shape: [2, 3], data: floats(1) }]])
    await refused({ embeddings: sound }, 'invalid-argument', /name of the encoder/)
    await refused({ manifest: join(folder, 'nowhere.json') }, 'not-found', /nowhere/)
  })

  const sound = { 'a.npy': npy([2, 3], '<f4', floats(1)) }
  test.each([
    ['a file that is missing', { a: { file: 'b.npy' } }, sound, 'not-found', /b\.npy/],
    ['a way out of the folder', { a: { file: '../a.npy' } }, sound, 'corrupt-file', /no file beside it/],
    ['an absolute path', { a: { file: '/etc/passwd' } }, sound, 'corrupt-file', /no file beside it/],
    ['a web address', { a: { file: 'http://x/a.npy' } }, sound, 'corrupt-file', /no file beside it/],
    ['a truncated array', { a: { file: 'a.npy' } }, { 'a.npy': sound['a.npy'].subarray(0, 140) }, 'corrupt-file', /24/],
    ['a tensor that is missing', { a: { file: 'a.npy', tensor: 'x' } }, sound, 'not-found', /'x'.*'array'/],
    [
      'one of several tensors, unnamed',
      { a: { file: 'a.safetensors' } },
      {
        'a.safetensors': encodeSafetensors([
          ['x', { shape: [2, 3], data: floats(1) }],
          ['y', { shape: [2, 3], data: floats(1) }],
        ]),
      },
      'not-found',
      /2 tensors; say which.*'x' or 'y'/,
    ],
  ] as const)('%s is refused', async (_, embeddings, files, code, message) => {
    const path = await manifest(embeddings, files)
    await expect(precomputedEmbeddings({ manifest: path })).rejects.toEqual(isFxError(code, message))
  })

  test('a manifest that is none is refused', async () => {
    await expect(precomputedEmbeddings({ manifest: await manifest({}, {}, { extra: 1 }) })).rejects.toEqual(
      isFxError('corrupt-file', /no manifest/),
    )
    await expect(precomputedEmbeddings({ manifest: await manifest({}, {}) })).rejects.toEqual(
      isFxError('invalid-argument', /one prompt/),
    )
  })

  test('1,000 mutated arrays give embeddings or a typed error', async () => {
    const original = npy([2, 3], '<f4', floats(1))
    const path = await manifest({ a: { file: 'a.npy' } }, { 'a.npy': original })
    let [read, refused] = [0, 0]
    for (let copy = 0; copy < 1000; copy++) {
      const random = seededRandom('embeddings', copy)
      const bytes = Uint8Array.from(original.subarray(0, random.uniform() < 0.1 ? random.integer(152) : 152))
      for (let i = 0; i < 1 + random.integer(3) && bytes.length > 0; i++) {
        bytes[random.integer(random.uniform() < 0.4 ? Math.min(80, bytes.length) : bytes.length)] = random.integer(256)
      }
      await writeFile(join(dirname(path), 'a.npy'), bytes)
      try {
        const encoder = await precomputedEmbeddings({ manifest: path })
        const embedded = await encoder.encode(['a'])
        expect(embedded.size).toBe(embedded.shape[1] * embedded.shape[2])
        embedded.dispose()
        encoder.dispose()
        read++
      } catch (error) {
        if (!FxError.isInstance(error)) throw error
        expect(['corrupt-file', 'unsupported', 'shape-mismatch']).toContain(error.code)
        refused++
      }
    }
    expect(Math.min(read, refused)).toBeGreaterThan(20)
  })
})
