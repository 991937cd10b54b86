import { existsSync } from 'node:fs'
import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { portraitEffects, portraits } from '@fx/teacher-adapters/portraits'
import * as tf from '@tensorflow/tfjs-core'
import { expect, test } from 'vitest'
import { type SearchOptions, searchStudent } from '../src/index.js'
import { fakeEngine } from './fake-engine.js'

test('a search that trains: stopped within a training, it goes on from its checkpoint to the same answer', async () => {
  const out = join(await mkdtemp(join(tmpdir(), 'fx-search-')), 'search')
  const controller = new AbortController()
  const options = (out: string): SearchOptions => ({
    out,
    budgetMs: 3,
    tolerance: 0.5,
    // Known times: what a busy machine takes must not decide a test.
    engine: fakeEngine(),
    backend: 'wasm',
    space: { encoder: { width: [0.1] }, decoder: { width: [0.1, 0.15], blocks: [0], skip: ['add', 'concat'] } },
    candidates: 4,
    entrants: 2,
    rungs: 2,
    presets: false,
    size: 32,
    effect: portraitEffects['hair-colour'],
    teacher: () => portraits(),
    pairs: { train: 16, heldOut: 4 },
    training: { steps: 6, batchSize: 4 },
    exporter: async ({ folder }) => ({ folder, maxAbsDiff: 0, layersMsP50: 2, fusedMsP50: 1 }),
  })
  let steps = 0
  const stopped = searchStudent({
    ...options(out),
    signal: controller.signal,
    onTraining: event => {
      if (event.type === 'progress' && event.phase === 'training' && ++steps === 5) controller.abort()
    },
  })
  await expect(stopped).rejects.toMatchObject({ code: 'aborted', message: expect.stringContaining('checkpoint') })
  const before = tf.memory().numTensors
  const { best, candidates, run } = await searchStudent(options(out))
  expect(run!.student.specHash).toBe(best.specHash)
  expect(run!.metrics.export!.fusedMsP50).toBe(1)
  run!.student.dispose!()
  expect(tf.memory().numTensors).toBe(before)
  const trained = candidates.filter(({ figures }) => figures.length > 0)
  expect(trained.map(({ figures }) => figures.length).sort()).toEqual([1, 2])
  expect(existsSync(join(out, 'runs', best.id, 'student', 'model.json'))).toBe(true)
  expect(await readFile(join(out, 'candidates.csv'), 'utf8')).toContain(best.figures[1]!.figure.toFixed(5))
  const whole = await searchStudent(options(join(out, '..', 'unbroken')))
  whole.run!.student.dispose!()
  expect(whole.best.id).toBe(best.id)
  expect(whole.best.figures[1]!.figure).toBeCloseTo(best.figures[1]!.figure, 3)
})
