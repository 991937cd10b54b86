import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { recorded } from '@fx/teacher-adapters/recorded'
import * as tf from '@tensorflow/tfjs-core'
import * as tfl from '@tensorflow/tfjs-layers'
import { expect, test } from 'vitest'
import { cachePairs, type DistillConfig, distill, type OnProgress, resolveConfig } from '../src/index.js'
import { effect, tinyConfig, tinyTeacher } from './fixtures/tiny.js'

const folder = async (): Promise<string> => join(await mkdtemp(join(tmpdir(), 'fx-pairs-')), 'run')

const runOut = async (config: DistillConfig) => {
  const { student, metrics, folder } = await distill(config)
  student.model.dispose()
  return { metrics, weights: (await readFile(join(folder, 'student', 'weights.bin'))).toString('hex') }
}

test('from memory, from shards, and from shards too big for memory, a run is the same', async () => {
  const memory = await runOut(tinyConfig(await folder()))
  const out = await folder()
  const shards = await runOut(tinyConfig(out, { pairs: { train: 24, heldOut: 8, shards: true } }))
  expect(await readdir(join(out, 'pairs'))).toContain('manifest.json')
  // 16x16 pairs take 1.5 KiB; this holds the first five.
  const streamed = await runOut(
    tinyConfig(await folder(), { pairs: { train: 24, heldOut: 8, memoryMiB: (5 * 1.5) / 1024 } }),
  )
  expect(shards.weights).toBe(memory.weights)
  expect(streamed.weights).toBe(memory.weights)
})

test('another teacher changes one line: same split, same student, same figures for the same pixels', async () => {
  const out = await folder()
  const shards = await cachePairs(resolveConfig(tinyConfig(out)))
  const original = await runOut(tinyConfig(await folder()))
  const replayed = await runOut(tinyConfig(await folder(), { teacher: () => recorded({ path: shards }) }))
  expect(replayed.metrics.studentSpecHash).toBe(original.metrics.studentSpecHash)
  expect(replayed.metrics.teacher).not.toBe(original.metrics.teacher)
  expect(replayed.metrics.changedRegion).toEqual(original.metrics.changedRegion)
  expect(replayed.weights).toBe(original.weights)
})

test('cached pairs are not made again, and a damaged shard is', async () => {
  const out = await folder()
  let made = 0
  const teacher = () =>
    tinyTeacher({
      async *pairs(request) {
        for await (const pair of tinyTeacher().pairs(request)) {
          made++
          yield pair
        }
      },
    })
  const config = tinyConfig(out, { teacher, pairs: { train: 24, heldOut: 8, shards: true } })
  const first = await runOut(config)
  await distill(config, { fresh: true }).then(result => result.student.model.dispose())
  expect(made).toBe(32)
  const tar = join(out, 'pairs', '000000.tar')
  const bytes = await readFile(tar)
  bytes[3000]! ^= 1
  await writeFile(tar, bytes)
  const { student, folder: again } = await distill(config, { fresh: true })
  student.model.dispose()
  expect(made).toBe(64)
  expect((await readFile(join(again, 'student', 'weights.bin'))).toString('hex')).toBe(first.weights)
})

test('seeds that gave no pair are counted and reported, from memory and from shards; the rest is trained on', async () => {
  const teacher = () =>
    tinyTeacher({
      async *pairs({ seeds, onSkip, ...request }) {
        for (const seed of seeds) {
          if (seed % 8 > 0) yield* tinyTeacher().pairs({ ...request, seeds: [seed] })
          else onSkip?.({ seed, reason: seed % 16 > 0 ? 'filtered' : 'misaligned', message: 'not this one' })
        }
      },
    })
  const notes: string[] = []
  const onProgress: OnProgress = event => event.type === 'done' && notes.push(event.message)
  const runs = await Promise.all(
    [false, true].map(async shards => {
      const config = tinyConfig(await folder(), { teacher, pairs: { train: 24, heldOut: 8, shards } })
      const { student, record } = await distill(config, { onProgress })
      const weights = await student.model.getWeights()[0]!.data()
      student.model.dispose()
      return { weights, record }
    }),
  )
  for (const { record } of runs) expect(record.pairs).toMatchObject({ train: 20, heldOut: 8 })
  expect(runs[1]!.weights).toEqual(runs[0]!.weights)
  const told = notes.filter(note => note.includes('4 seeds gave no pair (2 misaligned, 2 filtered)'))
  expect(told).toHaveLength(2)
  const few = tinyConfig(await folder(), { teacher, pairs: { train: 1, heldOut: 7 } })
  await expect(distill(few)).rejects.toMatchObject({
    code: 'invalid-argument',
    message: expect.stringMatching(/gave 7 of 8 pairs; 1 seed gave no pair \(1 misaligned\): nothing is left/),
  })
})

test('a folder with other pairs is refused', async () => {
  const out = await folder()
  await cachePairs(resolveConfig(tinyConfig(out)))
  const other = tinyConfig(out, { size: 8, pairs: { train: 24, heldOut: 8, shards: true } })
  await expect(cachePairs(resolveConfig(other))).rejects.toMatchObject({ code: 'resume-mismatch' })
})

test('a student that takes the parameters gets them, in training and in evaluation', async () => {
  const parameters = { strength: { min: 0, max: 1, default: 1 } }
  const teacher = () =>
    tinyTeacher({
      async *pairs(request) {
        for await (const pair of tinyTeacher().pairs({ ...request, effect })) {
          const strength = (Number(pair.id.slice(5)) % 4) / 3
          const data = pair.input.data.map((value, at) => value + (pair.target.data[at]! - value) * strength)
          yield { ...pair, target: { ...pair.target, data }, parameters: { strength } }
        }
      },
    })
  const student: DistillConfig['student'] = ({ size }) => {
    const image = tfl.input({ shape: [size, size, 3] })
    const strength = tfl.input({ shape: [1] })
    const spread = tfl.layers
      .upSampling2d({ size: [size, size] })
      .apply(tfl.layers.reshape({ targetShape: [1, 1, 1] }).apply(strength))
    const both = tfl.layers.concatenate().apply([image, spread as tfl.SymbolicTensor])
    const output = tfl.layers.conv2d({ filters: 3, kernelSize: 3, padding: 'same' }).apply(both) as tfl.SymbolicTensor
    return { model: tfl.model({ inputs: [image, strength], outputs: output }), spec: {}, specHash: 'conditioned' }
  }
  const config = tinyConfig(await folder(), {
    effect: { ...effect, parameters },
    teacher,
    student,
    pairs: { train: 24, heldOut: 8, parameters: 'sampled' },
  })
  const before = tf.memory().numTensors
  const result = await distill(config)
  result.student.model.dispose()
  expect(tf.memory().numTensors).toBe(before)
  expect(result.metrics.heldOut).toBe(8)
})
