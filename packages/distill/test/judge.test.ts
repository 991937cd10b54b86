import { mkdtemp, readdir, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TeacherAdapter } from '@fx/teacher-adapters'
import * as tf from '@tensorflow/tfjs-core'
import { expect, test } from 'vitest'
import { type DistillConfig, distill, writeReport } from '../src/index.js'
import { tinyConfig, tinyTeacher } from './fixtures/tiny.js'

const run = async (out: string, judge: DistillConfig['judge'], training = { steps: 4, batchSize: 2 }) => {
  const result = await distill(tinyConfig(out, { judge, training }))
  result.student.model.dispose()
  return result
}

const newFolder = async (): Promise<string> => join(await mkdtemp(join(tmpdir(), 'fx-judge-')), 'run')

test('a judge sees its own seeds, and its figures and pictures are in the report', async () => {
  const out = await newFolder()
  const asked: number[] = []
  let disposed = 0
  const judge = (): TeacherAdapter => ({
    ...tinyTeacher({ id: 'truth', dispose: async () => void disposed++ }),
    async *pairs(request) {
      asked.push(...request.seeds)
      yield* tinyTeacher().pairs(request)
    },
  })
  await run(await newFolder(), undefined)
  const before = tf.memory().numTensors
  const { metrics, record } = await run(out, { teacher: judge, pairs: 3, firstSeed: 900 })
  expect(tf.memory().numTensors).toBe(before)
  expect(asked).toEqual([900, 901, 902])
  expect(disposed).toBe(1)
  expect(metrics.judge).toMatchObject({ teacher: 'truth', heldOut: 3 })
  expect(record.judge?.evaluation.samples.map(({ seed }) => seed)).toEqual([900, 901, 902])
  expect((await readdir(out)).includes('judge-samples')).toBe(true)
  const html = await readFile(await writeReport(out), 'utf8')
  expect(html).toContain('Judged by truth')
  expect(html).toContain('seed 901')
})

test('a judge may skip seeds if it says so, and all but all of them', async () => {
  const skipping = (skips: (seed: number) => boolean, tells = true) => ({
    firstSeed: 900,
    pairs: 4,
    teacher: (): TeacherAdapter => ({
      ...tinyTeacher({ id: 'choosy' }),
      async *pairs(request) {
        const seeds = [...request.seeds]
        for (const seed of seeds.filter(skips))
          if (tells) request.onSkip?.({ seed, reason: 'refused', message: 'not today' })
        yield* tinyTeacher().pairs({ ...request, seeds: seeds.filter(seed => !skips(seed)) })
      },
    }),
  })
  const { metrics, record } = await run(
    await newFolder(),
    skipping(seed => seed === 901),
  )
  expect(metrics.judge?.heldOut).toBe(3)
  expect(record.judge?.evaluation.samples.map(({ seed }) => seed)).toEqual([900, 902, 903])
  const without = async (judge: DistillConfig['judge']) => run(await newFolder(), judge)
  await expect(without(skipping(() => true))).rejects.toThrow(/gave 0 of 4 pairs; 4 seeds gave no pair \(4 refused\)/)
  await expect(without(skipping(seed => seed === 901, false))).rejects.toThrow(/gave 3 of 4 pairs/)
})

test('judged by its own teacher on the held-out seeds, a student gets the figures it already has', async () => {
  const everything = { train: 4, heldOut: 2 }
  const out = await newFolder()
  const result = await distill(
    tinyConfig(out, { pairs: everything, judge: { teacher: () => tinyTeacher(), pairs: 6 } }),
  )
  result.student.model.dispose()
  const { judge, evaluation } = result.record
  for (const { seed, studentMae } of evaluation.samples) {
    expect(judge?.evaluation.samples.find(sample => sample.seed === seed)?.studentMae).toBe(studentMae)
  }
})

test('a finished run that gets a judge is judged without training again', async () => {
  const out = await newFolder()
  const { metrics } = await run(out, undefined)
  expect(metrics.judge).toBeUndefined()
  const judged = await run(out, { teacher: () => tinyTeacher() })
  expect(judged.alreadyFinished).toBe(false)
  expect(judged.metrics.judge?.heldOut).toBe(8)
  expect(judged.metrics.changedRegion).toEqual(metrics.changedRegion)
})

test('a judge that falls short is refused, by name', async () => {
  const short = { ...tinyTeacher({ id: 'short' }), async *pairs() {} }
  await expect(run(await newFolder(), { teacher: () => short })).rejects.toThrow(/judge 'short' gave 0 of 8/)
})
