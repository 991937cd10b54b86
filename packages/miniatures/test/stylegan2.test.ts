import { readFile, stat } from 'node:fs/promises'
import { prepareBackend } from '@fx/backend'
import { installTrainingKernels } from '@fx/backend/training'
import { equalImages, type TeacherAdapter } from '@fx/teacher-adapters'
import { portraitEffects } from '@fx/teacher-adapters/portraits'
import { readStylegan2, stylegan2Teacher } from '@fx/teacher-adapters/stylegan2'
import { openCheckpoint } from '@fx/weights/node'
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-layers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stylegan2Portraits } from '../src/stylegan2.js'
import { EDITS, labelledPortraits } from '../training/attributes.js'
import { judgeEdits } from '../training/judge-edits.js'
import { loadProbe, type Probe, range } from '../training/probe.js'

let teacher: TeacherAdapter
let judge: Probe
let tensors: number
beforeAll(async () => {
  await prepareBackend({ backend: 'wasm', threads: 1 })
  await installTrainingKernels()
  tensors = tf.memory().numTensors
  teacher = await stylegan2Teacher(stylegan2Portraits)
  judge = await loadProbe(new URL('../fixtures/probe-judge.safetensors', import.meta.url).pathname)
})
afterAll(async () => {
  await teacher.dispose?.()
  judge.dispose()
  expect(tf.memory().numTensors).toBe(tensors)
})

test('the weights are float16, at most 6 MB, and say their licence', async () => {
  expect((await stat(stylegan2Portraits.checkpoint)).size).toBeLessThanOrEqual(6e6)
  const checkpoint = await openCheckpoint(new Uint8Array(await readFile(stylegan2Portraits.checkpoint)))
  expect(new Set([...checkpoint.tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(['float16']))
  expect(checkpoint.metadata.licence).toBe('CC0-1.0')
  expect((await readStylegan2(checkpoint)).generator.config.resolution).toBe(64)
})

test('the probe that judges reads drawn portraits that it never saw', async () => {
  let right = 0
  let all = 0
  for await (const { image, labels } of labelledPortraits(range(77_000_000, 200), 64)) {
    const [reading] = await judge.read([image])
    for (const effect of EDITS) {
      if (Math.abs(labels[effect] - 0.5) < 0.2) continue
      all++
      if (reading![effect] > 0 === labels[effect] > 0.5) right++
    }
  }
  expect(right / all).toBeGreaterThan(0.97)
})

describe.each(EDITS)('%s', effect => {
  test('the probe sees the edit in at least 85 % of 256 pairs, and every other attribute unchanged in as many', async () => {
    const verdict = await judgeEdits(teacher, judge, effect, { count: 256, size: 64, firstSeed: 0 })
    expect(verdict.judged).toBe(256)
    expect(verdict.changed).toBeGreaterThanOrEqual(0.85)
    for (const [name, share] of Object.entries(verdict.kept)) expect(share, name).toBeGreaterThanOrEqual(0.85)
  }, 600_000)

  test('strength 0 is the input', async () => {
    const request = { effect: { ...portraitEffects['hair-colour'], id: effect }, size: 64, seeds: [1, 2] }
    for await (const { input, target } of teacher.pairs({ ...request, parameters: { strength: 0 } })) {
      expect(equalImages(input, target)).toBe(true)
    }
  })
})
