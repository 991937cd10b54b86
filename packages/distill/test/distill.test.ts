import { mkdtemp, readdir, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import { expect, test } from 'vitest'
import { distill, type ProgressEvent } from '../src/index.js'
import { tinyConfig } from './fixtures/tiny.js'

const folder = () => mkdtemp(join(tmpdir(), 'fx-distill-'))

test('a run learns the effect, leaves all its files, and no tensor', async () => {
  const out = join(await folder(), 'run')
  const events: ProgressEvent[] = []
  await distill(tinyConfig(out, { backend: 'wasm', training: { steps: 2 } })).then(result =>
    result.student.model.dispose(),
  )
  const before = tf.memory().numTensors
  const training = { steps: 150, batchSize: 4, learningRate: 0.02, evaluateEvery: 75 }
  const result = await distill(tinyConfig(out, { backend: 'wasm', training }), {
    fresh: true,
    onProgress: event => events.push(event),
  })
  result.student.model.dispose()
  expect(tf.memory().numTensors).toBe(before)
  expect(result.metrics.changedRegion.studentMae).toBeLessThan(0.5 * result.metrics.changedRegion.doNothingMae)
  expect(result.metrics.keptRegion.psnrDb).toBeGreaterThan(15)
  expect((await readdir(out)).sort()).toEqual(
    ['checkpoint.safetensors', 'logs', 'metrics.json', 'report.html', 'run.json', 'samples', 'student'].sort(),
  )
  expect(JSON.parse(await readFile(join(out, 'metrics.json'), 'utf8'))).toEqual(result.metrics)
  expect(events.flatMap(event => (event.type === 'done' ? [event.phase] : []))).toEqual([
    'backend',
    'pairs',
    'training',
    'evaluation',
    'report',
  ])
})
