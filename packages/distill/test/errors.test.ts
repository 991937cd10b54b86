import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { l1, weighted } from '@fx/losses'
import type { TeacherAdapter } from '@fx/teacher-adapters'
import { unetStudent } from '@fx/unet-student'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, expect, test } from 'vitest'
import { type DistillConfig, distill } from '../src/index.js'
import { readCheckpoint } from '../src/training/checkpoint.js'
import { effect, tinyConfig, tinyStudent, tinyTeacher } from './fixtures/tiny.js'

const folder = async (): Promise<string> => join(await mkdtemp(join(tmpdir(), 'fx-errors-')), 'run')

// The first run of a process makes tensors that tfjs keeps.
beforeAll(async () => {
  const { student } = await distill(tinyConfig(await folder(), { training: { steps: 1 } }))
  student.model.dispose()
})

/** A teacher whose pairs are changed on their way. */
const changing = (change: (pair: Awaited<ReturnType<typeof firstPair>>) => void): TeacherAdapter =>
  tinyTeacher({
    async *pairs(request) {
      for await (const pair of tinyTeacher().pairs(request)) {
        change(pair)
        yield pair
      }
    },
  })

const firstPair = async () => {
  for await (const pair of tinyTeacher().pairs({ effect, size: 16, seeds: [0] })) return pair
  throw new Error('no pair')
}

const small = (width: number) => ({ width, height: 16, data: new Uint8Array(width * 16 * 3) })

test.each<[string, Partial<DistillConfig>, string, RegExp]>([
  ['an unknown effect', { effect: { ...effect, id: 'hat' } }, 'unknown-effect', /knows 'blue-disc', not 'hat'/],
  [
    'a target of another size',
    { teacher: () => changing(pair => Object.assign(pair, { target: small(8) })) },
    'shape-mismatch',
    /target of pair 'tiny-0' is 8x16 .* needs 16x16/,
  ],
  [
    'an input with missing bytes',
    { teacher: () => changing(pair => Object.assign(pair.input, { data: new Uint8Array(5) })) },
    'shape-mismatch',
    /input of pair 'tiny-0' is 16x16 with 5 values/,
  ],
  [
    'a teacher with too few pairs',
    { teacher: () => tinyTeacher({ capabilities: { ...tinyTeacher().capabilities, pairCount: 30 } }) },
    'invalid-argument',
    /has 30 pairs; the config asks for 32 \(train 24 \+ heldOut 8\)/,
  ],
  [
    'a teacher that ends early',
    { teacher: () => tinyTeacher({ pairs: request => tinyTeacher().pairs({ ...request, seeds: [0, 1] }) }) },
    'invalid-argument',
    /gave 2 of 32 pairs/,
  ],
  [
    'a teacher that changes nothing',
    { teacher: () => changing(pair => Object.assign(pair, { target: pair.input })) },
    'invalid-argument',
    /changed nothing in 8 held-out pairs/,
  ],
  [
    'a student of another size',
    { student: options => tinyStudent({ ...options, size: 8 }) },
    'shape-mismatch',
    /input is \[any, 8, 8, 3\]; pairs of size 16 need \[any, 16, 16, 3\]/,
  ],
  [
    'a size that the student refuses',
    { size: 16, student: ({ size }) => unetStudent({ inputSize: size }) },
    'invalid-argument',
    /16.*17/,
  ],
  [
    'sampled parameters that the student cannot see',
    { pairs: { train: 4, heldOut: 2, parameters: 'sampled' } },
    'invalid-argument',
    /no parameter input/,
  ],
])('%s is one typed error, and nothing is left behind', async (_, change, code, message) => {
  const before = tf.memory().numTensors
  const bad = await folder()
  await expect(distill(tinyConfig(bad, change))).rejects.toMatchObject({
    code,
    message: expect.stringMatching(message),
  })
  expect(tf.memory().numTensors).toBe(before)
  expect(existsSync(bad)).toBe(false)
})

test('a bad run does not remove the results of a good one, even with fresh', async () => {
  const out = await folder()
  await distill(tinyConfig(out)).then(result => result.student.model.dispose())
  const metrics = await readFile(join(out, 'metrics.json'), 'utf8')
  await expect(distill(tinyConfig(out, { effect: { ...effect, id: 'hat' } }), { fresh: true })).rejects.toThrow(/hat/)
  expect(await readFile(join(out, 'metrics.json'), 'utf8')).toBe(metrics)
})

test('a student of its own is disposed by its own function when the run fails, and the teacher too', async () => {
  const disposed: string[] = []
  const student = tinyStudent({ seed: 1, size: 8 })
  const config = tinyConfig(await folder(), {
    teacher: () => tinyTeacher({ dispose: async () => void disposed.push('teacher') }),
    student: () => ({ ...student, dispose: () => void disposed.push('student') }),
  })
  await expect(distill(config)).rejects.toMatchObject({ code: 'shape-mismatch' })
  expect(disposed).toEqual(['student', 'teacher'])
  student.model.dispose()
})

test('a loss that is no number stops the run and leaves the last good checkpoint', async () => {
  const out = await folder()
  let calls = 0
  const loss = weighted([
    {
      name: 'l1',
      // Three calls probe the loss before training begins.
      loss: (...images) => tf.mul<tf.Scalar>(l1()(...images), ++calls === 3 + 7 ? Number.NaN : 1),
    },
  ])
  const training = { ...tinyConfig('').training, loss }
  const before = tf.memory().numTensors
  await expect(distill(tinyConfig(out, { training }))).rejects.toMatchObject({
    code: 'not-finite',
    message: expect.stringMatching(/loss became NaN at step 7 .*learningRate/),
    details: { step: 6 },
  })
  expect(tf.memory().numTensors).toBe(before)
  expect((await readCheckpoint<{ step: number }>(join(out, 'checkpoint.safetensors')))?.state.step).toBe(4)
  const resumed = await distill(tinyConfig(out, { training }))
  resumed.student.model.dispose()
  expect(resumed.metrics.heldOut).toBe(8)
})

test('a checkpoint that cannot be written stops the run and leaves the one before', async () => {
  const out = await folder()
  const before = tf.memory().numTensors
  let moved: Promise<void> | undefined
  const run = distill(tinyConfig(out), {
    onProgress: event => {
      // The folder goes away between the first checkpoint, at step 4, and the second.
      if (event.type !== 'progress' || event.phase !== 'training' || event.done !== 5) return
      moved = rename(out, `${out}-moved`).then(() => writeFile(out, ''))
    },
  })
  await expect(run).rejects.toMatchObject({ code: 'write-failed' })
  await moved
  expect(tf.memory().numTensors).toBe(before)
  const left = await readdir(`${out}-moved`)
  expect(left.sort()).toEqual(['checkpoint.safetensors', 'logs'])
  expect((await readCheckpoint<{ step: number }>(join(`${out}-moved`, 'checkpoint.safetensors')))?.state.step).toBe(4)
})

test('a damaged checkpoint is named, and fresh starts over', async () => {
  const out = await folder()
  await distill(tinyConfig(out)).then(result => result.student.model.dispose())
  await writeFile(join(out, 'checkpoint.safetensors'), 'nonsense and more of it')
  await expect(distill(tinyConfig(out))).rejects.toMatchObject({
    code: 'corrupt-file',
    message: expect.stringMatching(/--fresh/),
  })
  const result = await distill(tinyConfig(out), { fresh: true })
  result.student.model.dispose()
  expect(result.alreadyFinished).toBe(false)
})

test('a loss that throws leaves no tensor', async () => {
  let calls = 0
  const failing = (): never => {
    throw new Error('no such loss')
  }
  const loss = weighted([
    { name: 'l1', loss: l1() },
    { name: 'bad', loss: (...images) => (++calls > 5 ? failing() : l1()(...images)) },
  ])
  const before = tf.memory().numTensors
  const training = { ...tinyConfig('').training, loss }
  await expect(distill(tinyConfig(await folder(), { training }))).rejects.toThrow('no such loss')
  expect(tf.memory().numTensors).toBe(before)
})

test('stopping while pairs are made is an abort that leaves nothing', async () => {
  const out = await folder()
  const controller = new AbortController()
  const run = distill(tinyConfig(out), {
    signal: controller.signal,
    onProgress: event => {
      if (event.type === 'progress' && event.phase === 'pairs' && event.done === 3) controller.abort()
    },
  })
  await expect(run).rejects.toMatchObject({ code: 'aborted' })
  expect(existsSync(out)).toBe(false)
})
