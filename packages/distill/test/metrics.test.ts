import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { prepareBackend } from '@fx/backend'
import { effectStrength, perImage, psnr, ssim } from '@fx/losses/metrics'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, expect, test } from 'vitest'
import { distill } from '../src/index.js'
import { tinyConfig } from './fixtures/tiny.js'

beforeAll(() => prepareBackend({ backend: 'cpu' }))

const folder = async (): Promise<string> => join(await mkdtemp(join(tmpdir(), 'fx-metrics-')), 'run')
const metrics = () => [
  ssim(),
  effectStrength(),
  perImage('error', ({ output, target }) => tf.tidy(() => tf.mean(tf.abs(tf.sub(output, target)), [1, 2, 3])), {
    ideal: 0,
  }),
]

test('metrics of the config are measured for the student and for doing nothing', async () => {
  const out = await folder()
  const before = tf.memory().numTensors
  const { student, metrics: figures, record } = await distill(tinyConfig(out, { metrics }))
  student.model.dispose()
  expect(tf.memory().numTensors).toBe(before)
  expect(Object.keys(figures.metrics!)).toEqual(['ssim', 'effect strength (pixels)', 'error'])
  // The evaluation measures the same error in another way.
  const { fullImage } = record.evaluation
  expect(figures.metrics!.error!.student).toBeCloseTo(fullImage.studentMae, 5)
  expect(figures.metrics!.error!.doNothing).toBeCloseTo(fullImage.doNothingMae, 5)
  expect(figures.metrics!['effect strength (pixels)']!.doNothing).toBeCloseTo(0, 6)
  expect(record.metrics!.map(({ ideal }) => ideal)).toEqual([1, 1, 0])
  expect(await readFile(join(out, 'report.html'), 'utf8')).toContain('ssim, perfect at 1')
})

test('metrics added to a finished run are measured without training again', async () => {
  const out = await folder()
  const plain = await distill(tinyConfig(out))
  plain.student.model.dispose()
  expect(plain.metrics.metrics).toBeUndefined()
  const phases: string[] = []
  const { student, metrics: figures } = await distill(tinyConfig(out, { metrics }), {
    onProgress: event => {
      if (event.type === 'progress') phases.push(event.phase)
    },
  })
  student.model.dispose()
  expect(phases).not.toContain('training')
  expect(figures.metrics!.ssim!.student).toBeGreaterThan(0)
})

test('two metrics of one name are refused', async () => {
  const two = () => [psnr(), psnr()]
  await expect(distill(tinyConfig(await folder(), { metrics: two }))).rejects.toMatchObject({
    code: 'invalid-argument',
    message: expect.stringMatching(/told apart by their names/),
  })
})
