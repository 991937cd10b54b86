import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { mobilenetEncoder } from '@fx/mobilenet-encoder'
import { loadLayersModel } from '@tensorflow/tfjs-layers'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { unetStudent } from './index.js'
import { loadStudent, saveStudent } from './node.js'

const tiny = (seed = 0) => unetStudent({ inputSize: 32, encoder: mobilenetEncoder({ width: 0.1, depth: 0.1 }), seed })

let folder: string
let before = 0
beforeEach(async () => {
  before = tf.memory().numTensors
  folder = await mkdtemp(join(tmpdir(), 'student-'))
  const student = tiny()
  await saveStudent(student, folder)
  student.dispose()
})
afterEach(async () => {
  await rm(folder, { recursive: true })
  expect(tf.memory().numTensors).toBe(before)
})

const edit = async (file: string, change: (value: Record<string, unknown>) => unknown) =>
  writeFile(join(folder, file), JSON.stringify(change(JSON.parse(await readFile(join(folder, file), 'utf8')))))

test('the folder holds a standard layers-model', async () => {
  expect((await readdir(folder)).sort()).toEqual(['model.json', 'student.json', 'weights.bin'])
  const { modelTopology, weightsManifest } = JSON.parse(await readFile(join(folder, 'model.json'), 'utf8'))
  // Without it Keras 3 does not find the class `Model`.
  expect(modelTopology).toMatchObject({ class_name: 'Model', module: 'keras.models' })
  const weightData = new Uint8Array(await readFile(join(folder, 'weights.bin'))).buffer
  const stock = await loadLayersModel(
    tf.io.fromMemory({ modelTopology, weightSpecs: weightsManifest[0].weights, weightData }),
  )
  const student = tiny()
  tf.tidy(() => {
    const image = tf.randomUniform([1, 32, 32, 3], 0, 1, 'float32', 1)
    expect((stock.predict(image) as tf.Tensor).dataSync()).toEqual(
      (student.model.predict(image) as tf.Tensor).dataSync(),
    )
  })
  stock.dispose()
  student.dispose()
})

test('saving again replaces the student and leaves other files alone', async () => {
  await writeFile(join(folder, 'notes.txt'), 'mine')
  const other = tiny(5)
  await saveStudent(other, folder)
  const loaded = await loadStudent(folder)
  const first = (student: typeof other) => [...student.model.weights[0]!.read().dataSync()]
  expect(first(loaded)).toEqual(first(other))
  expect((await readdir(folder)).sort()).toEqual(['model.json', 'notes.txt', 'student.json', 'weights.bin'])
  other.dispose()
  loaded.dispose()
})

test('a folder that cannot be written is said to be so, and nothing is left', async () => {
  const student = tiny()
  await expect(saveStudent(student, join(folder, 'weights.bin', 'x'))).rejects.toMatchObject({ code: 'write-failed' })
  await expect(saveStudent(student, '/dev/full/x')).rejects.toMatchObject({ code: 'write-failed' })
  expect(await readdir(folder)).toHaveLength(3)
  student.dispose()
})

test.each<[string, string, () => Promise<unknown>]>([
  ['not-found', 'student.json is missing', () => rm(join(folder, 'student.json'))],
  ['not-found', 'weights.bin is missing', () => rm(join(folder, 'weights.bin'))],
  ['corrupt-file', 'student.json is not JSON', () => writeFile(join(folder, 'student.json'), '<html>')],
  ['corrupt-file', 'student.json is null', () => writeFile(join(folder, 'student.json'), 'null')],
  ['corrupt-file', 'the spec was edited', () => edit('student.json', r => ({ ...r, spec: { head: 'x' } }))],
  ['corrupt-file', 'the hash is of another spec', () => edit('student.json', r => ({ ...r, specHash: '0' }))],
  ['corrupt-file', 'a path leads elsewhere', () => edit('student.json', r => ({ ...r, files: [{ path: '../x' }] }))],
  ['newer-version', 'a newer release wrote it', () => edit('student.json', r => ({ ...r, formatVersion: 2 }))],
  [
    'newer-version',
    'a newer release wrote the spec',
    () => edit('student.json', r => ({ ...r, spec: { ...(r.spec as object), formatVersion: 3 } })),
  ],
  [
    'checksum-mismatch',
    'weights.bin is cut short',
    async () => writeFile(join(folder, 'weights.bin'), (await readFile(join(folder, 'weights.bin'))).subarray(0, 100)),
  ],
  ['checksum-mismatch', 'model.json was edited', () => edit('model.json', m => ({ ...m, generatedBy: 'me' }))],
])('%s when %s', async (code, _, damage) => {
  await damage()
  await expect(loadStudent(folder)).rejects.toMatchObject({ code })
})

test('a student that the first release of the format wrote comes back, with the same hash', async () => {
  await edit('student.json', r => {
    const { headActivation, headKernelSize, parameters, ...spec } = r.spec as Record<string, object>
    const { block, squeezeExcite, resolution, ...decoder } = spec.decoder as Record<string, unknown>
    return { ...r, spec: { ...spec, decoder, formatVersion: 1 } }
  })
  const student = tiny()
  const loaded = await loadStudent(folder)
  expect(loaded.spec).toEqual(student.spec)
  expect(loaded.specHash).toBe(student.specHash)
  student.dispose()
  loaded.dispose()
})

test('weights that belong to another architecture are corrupt', async () => {
  const other = unetStudent({ inputSize: 32, encoder: mobilenetEncoder({ width: 0.25, depth: 0.1 }) })
  await edit('student.json', r => ({ ...r, spec: other.spec, specHash: other.specHash }))
  other.dispose()
  await expect(loadStudent(folder)).rejects.toMatchObject({ code: 'corrupt-file' })
})
