import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { distill } from '@fx/distill'
import { recorded } from '@fx/teacher-adapters/recorded'
import { recordShards } from '@fx/teacher-adapters/shards'
import { expect, test } from 'vitest'
import config from '../fx.config.js'

const metricsIn = async (folder: string) => JSON.parse(await readFile(join(folder, 'metrics.json'), 'utf8'))

test('replacing the teacher leaves the student as it is', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fx-swap-'))
  const small = {
    ...config,
    exporter: undefined,
    pairs: { train: 12, heldOut: 4 },
    training: { ...config.training, steps: 2, batchSize: 2 },
  }
  const { effect, size } = small
  const seeds = Array.from({ length: 16 }, (_, seed) => seed)
  await recordShards(join(folder, 'pairs'), await config.teacher(), { effect, size, seeds })

  const withPortraits = { ...small, out: join(folder, 'portraits') }
  const withRecorded = {
    ...small,
    out: join(folder, 'recorded'),
    teacher: () => recorded({ path: join(folder, 'pairs') }),
  }
  for (const each of [withPortraits, withRecorded]) (await distill(each)).student.dispose?.()

  const first = await metricsIn(withPortraits.out)
  const second = await metricsIn(withRecorded.out)
  expect(first.teacher).toBe('portraits')
  expect(second.teacher).toBe('recorded')
  expect(second.studentSpecHash).toBe(first.studentSpecHash)
  // The same pixels through the same training: the swap changes nothing at all.
  expect(second.changedRegion.studentMae).toBeCloseTo(first.changedRegion.studentMae, 4)
  for (const { out } of [withPortraits, withRecorded]) {
    expect(await readFile(join(out, 'report.html'), 'utf8')).toContain(first.studentSpecHash)
  }
})

test('the teacher stands on one line of the config', async () => {
  const text = await readFile(new URL('../fx.config.ts', import.meta.url), 'utf8')
  const naming = text.split('\n').filter(line => /portraits\(|teacher-adapters/.test(line))
  expect(naming).toEqual([
    "import { portraits } from '@fx/teacher-adapters/portraits'",
    "  teacher: () => portraits({ style: 'micah' }),",
  ])
})
