import { mkdtemp, readdir, readFile, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, expect, test } from 'vitest'
import { type DistillConfig, distill, distillUntil } from '../src/index.js'
import { tinyConfig, tinyStudent, tinyTeacher } from './fixtures/tiny.js'

const folder = async (): Promise<string> => join(await mkdtemp(join(tmpdir(), 'fx-resume-')), 'run')

/** Runs a config to its end or to a step, and returns the bytes of the trained weights. */
const runOut = async (config: DistillConfig, stopAt?: number): Promise<Buffer> => {
  const controller = new AbortController()
  const result = await distill(config, {
    signal: controller.signal,
    onProgress: event => {
      if (event.type === 'progress' && event.phase === 'training' && event.done === stopAt) controller.abort()
    },
  })
  result.student.model.dispose()
  return readFile(join(result.folder, 'student', 'weights.bin'))
}

let unbroken: { weights: Buffer; record: { history: unknown } }
let unbrokenFolder: string

beforeAll(async () => {
  unbrokenFolder = await folder()
  const weights = await runOut(tinyConfig(unbrokenFolder))
  unbroken = { weights, record: JSON.parse(await readFile(join(unbrokenFolder, 'run.json'), 'utf8')) }
})

test('a run that was stopped twice and resumed is the unbroken run, bit for bit', async () => {
  const out = await folder()
  const before = tf.memory().numTensors
  await expect(runOut(tinyConfig(out), 5)).rejects.toMatchObject({ code: 'aborted', details: { step: 5, steps: 12 } })
  await expect(runOut(tinyConfig(out), 10)).rejects.toMatchObject({ code: 'aborted' })
  expect(tf.memory().numTensors).toBe(before)
  expect((await runOut(tinyConfig(out))).equals(unbroken.weights)).toBe(true)
  const record = JSON.parse(await readFile(join(out, 'run.json'), 'utf8'))
  expect(record.history).toEqual(unbroken.record.history)
  expect(await readdir(join(out, 'logs'))).toHaveLength(3)
})

test('trained step by step, with figures in between, it is the unbroken run as well', async () => {
  const out = await folder()
  const before = tf.memory().numTensors
  const early = await distillUntil(5, tinyConfig(out))
  expect(early.heldOut).toBe(8)
  // What a search would ask again after it was killed.
  expect(await distillUntil(5, tinyConfig(out))).toEqual(early)
  const later = await distillUntil(11, tinyConfig(out))
  expect(later.fullImage.studentMae).not.toBe(early.fullImage.studentMae)
  expect(tf.memory().numTensors).toBe(before)
  await expect(distillUntil(10, tinyConfig(out))).rejects.toMatchObject({ code: 'resume-mismatch' })
  await expect(distillUntil(13, tinyConfig(out))).rejects.toThrow(/step is 13; it must be a whole number from 1 to 12/)
  expect(tf.memory().numTensors).toBe(before)
  expect((await runOut(tinyConfig(out))).equals(unbroken.weights)).toBe(true)
  const record = JSON.parse(await readFile(join(out, 'run.json'), 'utf8'))
  expect(record.history).toEqual(unbroken.record.history)
})

test('another seed gives other weights', async () => {
  expect((await runOut(tinyConfig(await folder(), { seed: 2 }))).equals(unbroken.weights)).toBe(false)
})

test('a finished run started again is recognised and computes nothing', async () => {
  const { mtimeMs } = await stat(join(unbrokenFolder, 'run.json'))
  const before = tf.memory().numTensors
  const notes: string[] = []
  const result = await distill(tinyConfig(unbrokenFolder), {
    onProgress: event => {
      if (event.type === 'note') notes.push(event.message)
    },
  })
  expect(result.alreadyFinished).toBe(true)
  expect(notes).toEqual([expect.stringMatching(/already holds this run.*--fresh/)])
  const weights = await Promise.all(result.student.model.weights.map(weight => weight.read().data()))
  expect(
    Buffer.concat(weights.map(values => Buffer.from(new Uint8Array(values.slice().buffer)))).equals(unbroken.weights),
  ).toBe(true)
  result.student.model.dispose()
  expect(tf.memory().numTensors).toBe(before)
  expect((await stat(join(unbrokenFolder, 'run.json'))).mtimeMs).toBe(mtimeMs)
})

test('an exporter added to a finished run is run, without training again', async () => {
  const out = await folder()
  await runOut(tinyConfig(out))
  const trained: number[] = []
  const exporter = async () => ({ folder: join(out, 'bundle'), maxAbsDiff: 0, layersMsP50: 2, fusedMsP50: 1 })
  const result = await distill(tinyConfig(out, { exporter }), {
    onProgress: event => {
      if (event.type === 'progress' && event.phase === 'training') trained.push(event.done)
    },
  })
  result.student.model.dispose()
  expect(trained).toEqual([])
  expect(result.metrics.export).toEqual({ maxAbsDiff: 0, layersMsP50: 2, fusedMsP50: 1 })
  expect((await readFile(join(out, 'student', 'weights.bin'))).equals(unbroken.weights)).toBe(true)
})

test.each<[string, Partial<DistillConfig>, RegExp]>([
  ['the seed', { seed: 3 }, /seed: 1 -> 3/],
  ['the student', { student: options => tinyStudent({ ...options, width: 5 }) }, /student/],
  ['the teacher', { teacher: () => tinyTeacher({ version: '2' }) }, /teacher\.version: "1" -> "2"/],
  ['the training', { training: { ...tinyConfig('').training, batchSize: 3 } }, /training\.batchSize: 2 -> 3/],
])('a resumed run refuses a change of %s', async (_, change, message) => {
  const before = tf.memory().numTensors
  const attempt = distill(tinyConfig(unbrokenFolder, change))
  await expect(attempt).rejects.toMatchObject({ code: 'resume-mismatch', message: expect.stringMatching(message) })
  await expect(attempt).rejects.toThrow(/--fresh/)
  expect(tf.memory().numTensors).toBe(before)
  expect((await readFile(join(unbrokenFolder, 'student', 'weights.bin'))).equals(unbroken.weights)).toBe(true)
})

test('a loss with other weights is noticed though it has the same names', async () => {
  const { l1, weighted } = await import('@fx/losses')
  const training = { ...tinyConfig('').training, loss: weighted([{ name: 'loss', loss: l1(), weight: 2 }]) }
  await expect(distill(tinyConfig(unbrokenFolder, { training }))).rejects.toThrow(/options of training\.loss/)
})
