import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { distill } from '@fx/distill'
import { portraits } from '@fx/teacher-adapters/portraits'
import { recorded } from '@fx/teacher-adapters/recorded'
import { recordShards } from '@fx/teacher-adapters/shards'
import { expect, test } from 'vitest'
import config from '../fx.config.js'

const metricsIn = async (folder: string) => JSON.parse(await readFile(join(folder, 'metrics.json'), 'utf8'))

test('replacing the teacher leaves the student as it is', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fx-swap-'))
  const small = {
    ...config,
    judge: undefined,
    exporter: undefined,
    pairs: { train: 12, heldOut: 4 },
    training: { ...config.training, steps: 2, batchSize: 2 },
  }
  const run = async (name: string, teacher: typeof config.teacher) => {
    const out = join(folder, name)
    const { student } = await distill({ ...small, out, teacher })
    student.dispose?.()
    return { metrics: await metricsIn(out), report: await readFile(join(out, 'report.html'), 'utf8') }
  }
  const drawn = portraits({ style: 'pixelArt' })
  const seeds = Array.from({ length: 16 }, (_, seed) => seed)
  await recordShards(join(folder, 'pairs'), drawn, { effect: small.effect, size: small.size, seeds })

  const fromGan = await run('stylegan2', config.teacher)
  const fromDrawings = await run('portraits', () => drawn)
  const fromRecording = await run('recorded', () => recorded({ path: join(folder, 'pairs') }))

  expect(fromGan.metrics.teacher).toBe('stylegan2-portraits')
  expect(fromDrawings.metrics.teacher).toBe('portraits')
  expect(fromRecording.metrics.teacher).toBe('recorded')
  for (const { metrics, report } of [fromGan, fromDrawings, fromRecording]) {
    expect(metrics.studentSpecHash).toBe(fromGan.metrics.studentSpecHash)
    expect(report).toContain(fromGan.metrics.studentSpecHash)
  }
  // The same pixels through the same training: the swap changes nothing at all.
  expect(fromRecording.metrics.changedRegion.studentMae).toBeCloseTo(fromDrawings.metrics.changedRegion.studentMae, 4)
})

test('the teacher stands on one line of the config, and in its imports', async () => {
  const text = await readFile(new URL('../fx.config.ts', import.meta.url), 'utf8')
  expect(text.split('\n').filter(line => /stylegan2/.test(line))).toEqual([
    "import { stylegan2Portraits } from '@fx/miniatures/stylegan2'",
    "import { stylegan2Teacher } from '@fx/teacher-adapters/stylegan2'",
    '  teacher: () => stylegan2Teacher(stylegan2Portraits),',
  ])
})
