import { mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EffectSpec, parseBundleManifest, seededRandom, sha256Hex } from '@fx/core'
import { mobilenetEncoder } from '@fx/mobilenet-encoder'
import { type UnetStudentOptions, unetStudent } from '@fx/unet-student'
import * as tfc from '@tensorflow/tfjs-converter'
import * as tf from '@tensorflow/tfjs-core'
import * as tfl from '@tensorflow/tfjs-layers'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { useBackend } from '../../test/backends.js'
import { loadTflite } from '../../test/litert.js'
import { randomInput, randomiseWeights, testStudent } from '../../test/student.js'
import { effectBundle, readGraphModel, type TrainedStudent, writeEffectBundle } from '../node.js'

const effect: EffectSpec = { id: 'pink-hair', prompt: 'a person with pink hair', parameters: {} }
const probe = (size: number) => {
  const random = seededRandom('probe')
  return { width: size, height: size, data: Uint8Array.from({ length: size * size * 3 }, () => random.integer(256)) }
}
const card = {
  name: 'Pink hair',
  description: '',
  licence: 'CC0-1.0',
  provenance: { teacher: 'portraits', teacherVersion: '1', licences: ['CC0-1.0'] },
  metrics: { psnrDb: 27.5 },
}
const trained = (model: tfl.LayersModel, folder: string): TrainedStudent => ({
  model,
  effect,
  specHash: 'abc',
  provenance: card.provenance,
  metrics: card.metrics,
  probe: probe(32),
  folder,
})

let root: string
let model: tfl.LayersModel
let before: number
beforeEach(async () => {
  await useBackend('wasm')
  root = await mkdtemp(join(tmpdir(), 'fx-export-'))
  model = testStudent({ width: 0.5 })
  before = tf.memory().numTensors
})
afterEach(() => {
  expect(tf.memory().numTensors).toBe(before)
  model.dispose()
})

const write = (folder = join(root, 'bundle'), more: object = {}) =>
  writeEffectBundle(folder, { model, effect, studentSpecHash: 'abc', probe: probe(32), card, ...more })

test('the exporter leaves a bundle that equals the model, with its latency', async () => {
  const student = { ...trained(model, root), metrics: { mae: 0.1, psnrDb: Number.POSITIVE_INFINITY } }
  const result = await effectBundle({ measure: { rounds: 3 } })(student)
  expect(result.folder).toBe(join(root, 'bundle'))
  expect(result.maxAbsDiff).toBeLessThan(1e-4)
  expect(result.layersMsP50).toBeGreaterThan(0)
  expect(result.fusedMsP50).toBeGreaterThan(0)
  expect(await readdir(root)).toEqual(['bundle'])
  const manifest = JSON.parse(await readFile(join(root, 'bundle', 'effect.json'), 'utf8'))
  expect(manifest.card).toMatchObject({ name: 'pink-hair', licence: 'CC0-1.0', metrics: { mae: 0.1 } })
})

test('every file of the bundle is listed with its size and hash', async () => {
  const manifest = await write()
  const folder = join(root, 'bundle')
  expect(parseBundleManifest(JSON.parse(await readFile(join(folder, 'effect.json'), 'utf8')))).toEqual(manifest)
  const paths = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = paths.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  expect(files.length).toBe(manifest.files.length + 1)
  for (const { path, size, sha256 } of manifest.files) {
    const data = await readFile(join(folder, path))
    expect([data.length, sha256Hex(data)]).toEqual([size, sha256])
  }
  const readme = await readFile(join(folder, 'README.md'), 'utf8')
  for (const fact of ['Pink hair', 'CC0-1.0', 'portraits 1', 'psnrDb', '27.5']) expect(readme).toContain(fact)
})

test('the probe holds the answer of the LayersModel', async () => {
  const manifest = await write()
  const { data } = probe(32)
  const expected = tf.tidy(() => {
    const output = model.predict(tf.div(tf.tensor4d(Array.from(data), [1, 32, 32, 3]), 255)) as tf.Tensor
    return Array.from(tf.round(tf.mul(output, 255)).dataSync())
  })
  const stored = await readFile(join(root, 'bundle', manifest.probe.output))
  expect(Math.max(...expected.map((value, i) => Math.abs(value - stored[i]!)))).toBeLessThanOrEqual(1)
})

test('a student of odd sides ships', async () => {
  const [height, width] = [33, 47]
  const encoder = mobilenetEncoder({ width: 0.1 })
  const student = unetStudent({ inputSize: { height, width }, encoder, decoder: { resolution: 'half' } })
  const data = Uint8Array.from({ length: height * width * 3 }, (_, i) => (i * 7) % 256)
  const odd = { ...trained(student.model, root), probe: { width, height, data } }
  const { maxAbsDiff } = await effectBundle({ measure: { rounds: 1 } })(odd)
  expect(maxAbsDiff).toBeLessThan(1e-4)
  student.dispose()
})

/** A student whose weights are as if trained, so that its alpha is neither 0 nor 1. */
const alphaStudent = (inputSize: number, more: Partial<UnetStudentOptions> = {}) => {
  const student = unetStudent({ inputSize, encoder: mobilenetEncoder({ width: 0.1, depth: 0.1 }), ...more })
  randomiseWeights(student.model, 'alpha student')
  return student.model
}
const strong = { ...effect, parameters: { strength: { min: 0, max: 1, default: 0.75 } } }

test.each<[string, Partial<UnetStudentOptions>, EffectSpec]>([
  ['a student', {}, effect],
  ['a student with a strength', { parameters: { strength: { min: 0, max: 1 } } }, strong],
  [
    'hard sigmoids from half the resolution',
    { headActivation: 'hardSigmoid', decoder: { resolution: 'half' } },
    effect,
  ],
])('a matte of %s, laid over the picture, is the answer of the LayersModel', async (_, more, effect) => {
  const student = alphaStudent(32, more)
  const run = { ...trained(student, root), effect }
  const { maxAbsDiff, folder } = await effectBundle({ matte: true, tflite: true, measure: { rounds: 1 } })(run)
  expect(maxAbsDiff).toBeLessThan(1e-4)
  const manifest = parseBundleManifest(JSON.parse(await readFile(join(folder, 'effect.json'), 'utf8')))
  expect(manifest.output).toEqual({ range: [0, 1], channels: 4 })
  const picture = Float32Array.from(probe(32).data, byte => byte / 255)
  const values = Object.values(effect.parameters).map(parameter => parameter.default)
  const exported = await loadTflite(await readFile(join(folder, manifest.tflite!.path)))
  expect(exported.outputs).toMatchObject([{ shape: [1, 32, 32, 4] }])
  const [answer] = await exported.run([picture, ...(values.length > 0 ? [Float32Array.from(values)] : [])])
  const alphas = answer!.filter((_, i) => i % 4 === 3)
  expect(Math.max(...alphas) - Math.min(...alphas)).toBeGreaterThan(0.1)
  const stored = await readFile(join(folder, manifest.probe.output))
  const differences = picture.map((value, i) => {
    const pixel = 4 * Math.floor(i / 3)
    const alpha = answer![pixel + 3]!
    return Math.abs(255 * (value * (1 - alpha) + answer![pixel + (i % 3)]! * alpha) - stored[i]!)
  })
  expect(Math.max(...differences)).toBeLessThan(0.51)
  exported.dispose()
  student.dispose()
})

test('a student for smaller pictures ships in a folder of its own', async () => {
  const student = alphaStudent(64)
  const run = { ...trained(student, root), probe: probe(64) }
  const smaller = () => [48, 32].map(size => alphaStudent(size))
  const { folder } = await effectBundle({
    smaller,
    crop: 'face',
    face: { scale: 2, raise: 0.1 },
    measure: { rounds: 1 },
  })(run)
  const manifest = parseBundleManifest(JSON.parse(await readFile(join(folder, 'effect.json'), 'utf8')))
  expect(manifest).toMatchObject({ crop: 'face', face: { scale: 2, raise: 0.1 } })
  expect(manifest.model.smaller).toEqual([
    { width: 48, height: 48, path: 'model-48x48/model.json' },
    { width: 32, height: 32, path: 'model-32x32/model.json' },
  ])
  const picture = randomInput([1, 32, 32, 3])
  const artifacts = await readGraphModel(join(folder, 'model-32x32/model.json'))
  const exported = await tfc.loadGraphModel(tf.io.fromMemory(artifacts))
  const small = alphaStudent(32)
  tf.tidy(() => {
    const [actual, expected] = [exported, small].map(model => (model.predict(picture) as tf.Tensor).dataSync())
    expect(Math.max(...actual!.map((value, i) => Math.abs(value - expected![i]!)))).toBeLessThan(1e-4)
  })
  expect(await readFile(join(folder, 'README.md'), 'utf8')).toContain('model-32x32')
  for (const disposable of [picture, exported, small, student]) disposable.dispose()
})

test('half-precision weights make the file smaller', async () => {
  const whole = await write()
  const half = await write(undefined, { weights: 'float16' })
  const size = (manifest: typeof whole) => manifest.files.find(({ path }) => path === 'model/weights.bin')!.size
  expect(size(half)).toBeLessThan(0.65 * size(whole))
})

test('a former bundle is replaced, another folder is not', async () => {
  await write()
  await writeFile(join(root, 'bundle', 'stray.txt'), 'left over')
  await write()
  expect(await readdir(join(root, 'bundle'))).not.toContain('stray.txt')
  await mkdir(join(root, 'photos'))
  await writeFile(join(root, 'photos', 'a.png'), '')
  await expect(write(join(root, 'photos'))).rejects.toMatchObject({ code: 'invalid-argument' })
  expect(await readdir(join(root, 'photos'))).toEqual(['a.png'])
  expect((await readdir(root)).sort()).toEqual(['bundle', 'photos'])
})

test('a write that fails leaves the former bundle and nothing else', async () => {
  await write()
  const file = join(root, 'file')
  await writeFile(file, '')
  await expect(write(join(file, 'bundle'))).rejects.toMatchObject({ code: 'write-failed' })
  await expect(write('/dev/full/bundle')).rejects.toMatchObject({ code: 'write-failed' })
  expect((await readdir(root)).sort()).toEqual(['bundle', 'file'])
})

test.each([
  ['a probe of another size', { probe: probe(16) }, 'shape-mismatch', /16x16.*32x32/],
  ['a probe that is cut off', { probe: { ...probe(32), data: new Uint8Array(7) } }, 'shape-mismatch', /7 values/],
  ['a range that falls', { inputRange: [1, 0] }, 'invalid-argument', /\[1, 0\]/],
  ['a matte of another range', { matte: true, outputRange: [-1, 1] }, 'invalid-argument', /\[-1,1\].*\[0,1\]/],
  ['a matte of a student without alpha', { matte: true }, 'unsupported', /head is 'alpha'/],
  ['a face without a crop', { face: { scale: 2, raise: 0 } }, 'invalid-argument', /'centre-square' and face is given/],
  ['a crop without a face', { crop: 'face' }, 'invalid-argument', /'face' and face is missing/],
  ['a face of no size', { crop: 'face', face: { scale: 0, raise: 0 } }, 'invalid-argument', /scale: 0/],
  ['an effect without a prompt', { effect: { id: 'x', parameters: {} } }, 'invalid-argument', /prompt/],
])('%s is refused and nothing is written', async (_, more, code, message) => {
  await expect(write(undefined, more)).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
  expect(await readdir(root)).toEqual([])
})

test('a smaller student must be smaller and take the same parameters', async () => {
  const conditioned = alphaStudent(17, { parameters: { strength: { min: 0, max: 1 } } })
  const same = alphaStudent(32)
  await expect(write(undefined, { smaller: [same] })).rejects.toMatchObject({
    code: 'invalid-argument',
    message: expect.stringMatching(/smaller\[0\] is 32x32.*32x32/),
  })
  await expect(write(undefined, { smaller: [conditioned] })).rejects.toMatchObject({ code: 'unsupported' })
  await expect(write(undefined, { model: same, effect: strong, smaller: [conditioned] })).rejects.toMatchObject({
    code: 'invalid-argument',
    message: expect.stringMatching(/takes 1 parameters.* 0/),
  })
  expect(await readdir(root)).toEqual([])
  same.dispose()
  conditioned.dispose()
})

test('a model that is no student is refused by its shape', async () => {
  const input = tfl.input({ shape: [32, 32, 3] })
  const cases = [
    tfl.model({ inputs: input, outputs: tfl.layers.flatten().apply(input) as tfl.SymbolicTensor }),
    tfl.sequential({ layers: [tfl.layers.conv2d({ inputShape: [null, null, 3], filters: 3, kernelSize: 1 })] }),
  ]
  for (const other of cases) {
    await expect(write(undefined, { model: other })).rejects.toMatchObject({ code: 'unsupported' })
    other.dispose()
  }
  expect(await readdir(root)).toEqual([])
})

test('a frozen parameter is gone from the bundle, and its value is in the weights', async () => {
  const { model: student, dispose } = unetStudent({
    inputSize: 32,
    encoder: mobilenetEncoder({ width: 0.1, depth: 0.1 }),
    head: 'residual',
    parameters: { strength: { min: 0, max: 1 }, hue: { min: 0, max: 360 } },
  })
  tf.tidy(() => {
    const delta = student.getLayer('delta')
    delta.setWeights(delta.getWeights().map(weight => tf.fill(weight.shape, 0.05)))
  })
  const conditioned = {
    ...effect,
    parameters: { strength: { min: 0, max: 1, default: 1 }, hue: { min: 0, max: 360, default: 0 } },
  }
  const run = { ...trained(student, root), effect: conditioned }
  const result = await effectBundle({ freeze: { strength: 0.25 }, measure: { rounds: 3 } })(run)
  expect(result.maxAbsDiff).toBeLessThan(1e-4)
  const manifest = JSON.parse(await readFile(join(result.folder, 'effect.json'), 'utf8'))
  expect(Object.keys(manifest.effect.parameters)).toEqual(['hue'])
  expect(await readFile(join(result.folder, 'README.md'), 'utf8')).toContain('`strength`: fixed at 0.25')

  const stored = await readFile(join(result.folder, manifest.probe.output))
  const expected = tf.tidy(() => {
    const image = tf.div(tf.tensor4d(Array.from(probe(32).data), [1, 32, 32, 3]), 255)
    return Array.from(tf.mul(student.predict([image, tf.tensor2d([[0.25, 0]])]) as tf.Tensor, 255).dataSync())
  })
  expect(Math.max(...expected.map((value, i) => Math.abs(value - stored[i]!)))).toBeLessThanOrEqual(1)

  const all = await write(join(root, 'all'), {
    model: student,
    effect: conditioned,
    freeze: { strength: 1, hue: 180 },
  })
  expect(all.effect.parameters).toEqual({})
  for (const [freeze, message] of [
    [{ age: 1 }, /names 'age'; the parameters of effect 'pink-hair' are 'strength' or 'hue'/],
    [{ strength: 2 }, /freeze.strength is 2; it must be a number from 0 to 1/],
  ] as const) {
    const refused = write(join(root, 'other'), { model: student, effect: conditioned, freeze })
    await expect(refused).rejects.toMatchObject({ code: 'invalid-argument', message: expect.stringMatching(message) })
  }
  await expect(write(undefined, { effect: conditioned, freeze: { hue: 1 } })).rejects.toThrow(/takes no parameters/)
  dispose()
})

test('a conditioned student is probed with the default of each parameter', async () => {
  const conditioned = { ...effect, parameters: { strength: { min: 0, max: 1, default: 0.25 } } }
  const image = tfl.input({ shape: [8, 8, 3] })
  const parameters = tfl.input({ shape: [1] })
  const gain = tfl.layers.dense({ units: 3, useBias: false, kernelInitializer: 'ones' }).apply(parameters)
  const wide = tfl.layers.reshape({ targetShape: [1, 1, 3] }).apply(gain) as tfl.SymbolicTensor
  const outputs = tfl.layers.multiply().apply([image, wide]) as tfl.SymbolicTensor
  const student = tfl.model({ inputs: [image, parameters], outputs })
  const { data } = probe(8)
  const manifest = await write(undefined, { model: student, effect: conditioned, probe: probe(8) })
  const stored = await readFile(join(root, 'bundle', manifest.probe.output))
  expect(Math.max(...data.map((value, i) => Math.abs(value / 4 - stored[i]!)))).toBeLessThanOrEqual(0.5)
  await expect(write(undefined, { model: student, probe: probe(8) })).rejects.toMatchObject({ code: 'unsupported' })
  student.dispose()
})
