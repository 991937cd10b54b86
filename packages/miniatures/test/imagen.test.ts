import { readFile, stat } from 'node:fs/promises'
import { prepareBackend } from '@fx/backend'
import { installTrainingKernels } from '@fx/backend/training'
import type { TeacherAdapter } from '@fx/teacher-adapters'
import { imagenTeacher } from '@fx/teacher-adapters/imagen'
import { openCheckpoint } from '@fx/weights/node'
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-layers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { imagenPortraits } from '../src/imagen.js'
import { EFFECTS } from '../training/attributes.js'
import { judgeEdits } from '../training/judge-edits.js'
import { judgePrompts, openPainter } from '../training/judge-prompts.js'
import { loadProbe, type Probe } from '../training/probe.js'

let teacher: TeacherAdapter
let judge: Probe
let tensors: number
beforeAll(async () => {
  await prepareBackend({ backend: 'wasm', threads: 1 })
  await installTrainingKernels()
  tensors = tf.memory().numTensors
  teacher = await imagenTeacher(imagenPortraits)
  judge = await loadProbe(new URL('../fixtures/probe-judge.safetensors', import.meta.url).pathname)
})
afterAll(async () => {
  await teacher.dispose?.()
  judge.dispose()
  expect(tf.memory().numTensors).toBe(tensors)
})

test('all files together have at most 8 MB, are float16, and say their licence', async () => {
  const files = [...imagenPortraits.stages, imagenPortraits.text.checkpoint]
  const sizes = await Promise.all([...files, imagenPortraits.text.tokenizer].map(async file => (await stat(file)).size))
  expect(sizes.reduce((a, b) => a + b)).toBeLessThanOrEqual(8e6)
  for (const file of files) {
    const checkpoint = await openCheckpoint(new Uint8Array(await readFile(file)))
    expect(new Set([...checkpoint.tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(['float16']))
    expect(checkpoint.metadata.licence).toBe('CC0-1.0')
  }
})

test('the probe finds what is asked for in at least 80 % of 256 prompts', async () => {
  const painter = await openPainter()
  const verdict = await judgePrompts(painter, judge, 256)
  painter.dispose()
  expect(verdict.found).toBeGreaterThanOrEqual(0.8)
}, 600_000)

// The figures of the model card are of 256 pairs each; here as many as tell 80 % from much less.
test.each(EFFECTS)(
  '%s: the edit shows, and what was not asked for stays, in at least 80 % of the pairs',
  async effect => {
    const verdict = await judgeEdits(teacher, judge, effect, { count: 32, size: 64, firstSeed: 0 })
    expect(verdict.judged).toBe(32)
    expect(verdict.changed).toBeGreaterThanOrEqual(0.8)
    for (const [name, share] of Object.entries(verdict.kept)) expect(share, name).toBeGreaterThanOrEqual(0.8)
  },
  600_000,
)
