import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, truncate, writeFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { collect } from '../../test/collect.js'
import { filesIn, temporaryFolder } from '../../test/folder.js'
import { effect, noise, pairOf, pairsOf, size } from '../../test/noise.js'
import type { PairRequest, TeacherPair } from '../index.js'
import { readShards, recordShards, type WriteProgress, writeShards } from '../shards.js'

const at = temporaryFolder()
const options = { effect, size, pairsPerShard: 4 }
const refusal = (code: string, message = /./) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) })

async function* breaking(after: number): AsyncGenerator<TeacherPair> {
  yield* pairsOf(0, after)
  throw new Error('the teacher broke')
}

test('shards, a manifest, progress; the same pairs give the same bytes', async () => {
  const progress: WriteProgress[] = []
  const manifest = await writeShards(at('a'), pairsOf(0, 10), {
    ...options,
    total: 10,
    onProgress: p => progress.push(p),
  })
  await writeShards(at('b'), pairsOf(0, 10), options)
  const files = await filesIn(at('a'))
  expect(Object.keys(files)).toEqual(['000000.tar', '000001.tar', '000002.tar', 'manifest.json'])
  expect(await filesIn(at('b'))).toEqual(files)
  expect(manifest).toMatchObject({
    formatVersion: 1,
    effect,
    size,
    pairCount: 10,
    teachers: [{ id: 'noise', version: '1' }],
    licences: [{ id: 'CC0-1.0' }],
  })
  expect(manifest.shards.map(({ pairs, firstId }) => [pairs, firstId])).toEqual([
    [4, 'noise-0'],
    [4, 'noise-4'],
    [2, 'noise-8'],
  ])
  expect(JSON.parse(await readFile(at('a', 'manifest.json'), 'utf8'))).toEqual(manifest)
  expect(progress).toHaveLength(10)
  expect(progress.at(-1)).toEqual({ pairs: 10, total: 10, shards: 2 })
})

test('a run that broke keeps its whole shards and ends as an unbroken run does', async () => {
  await writeShards(at('unbroken'), pairsOf(0, 10), options)
  const expected = await filesIn(at('unbroken'))
  for (const after of [0, 1, 4, 7, 9, 10]) {
    const folder = at(`broken-${after}`)
    await expect(writeShards(folder, breaking(after), options)).rejects.toThrow('the teacher broke')
    const names = Object.keys(await filesIn(folder))
    expect(names).toHaveLength(Math.floor(after / 4) + (after < 4 ? 0 : 1))
    expect(names).not.toContain('manifest.json')
    await writeShards(folder, pairsOf(0, 10), options)
    expect(await filesIn(folder)).toEqual(expected)
  }
})

test('pairs of an earlier run are not made again when the caller can start anywhere', async () => {
  await expect(writeShards(at(), breaking(9), options)).rejects.toThrow('the teacher broke')
  const starts: number[] = []
  await writeShards(
    at(),
    from => {
      starts.push(from)
      return pairsOf(from, 10)
    },
    options,
  )
  expect(starts).toEqual([8])
  expect((await collect(readShards(at()))).map(pair => pair.id)).toEqual(
    Array.from({ length: 10 }, (_, i) => `noise-${i}`),
  )
})

test('killed at any moment, a run can be started again', async () => {
  await writeShards(at('unbroken'), pairsOf(0, 30), { ...options, pairsPerShard: 5 })
  const program = fileURLToPath(new URL('../../test/write-until-killed.ts', import.meta.url))
  for (const moment of [3, 13]) {
    const child = spawn(process.execPath, ['--conditions=@fx/source', '--import', 'tsx', program, at('killed')])
    for await (const line of createInterface(child.stdout)) if (Number(line) >= moment) child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    expect(Object.keys(await filesIn(at('killed')))).not.toContain('manifest.json')
  }
  await writeShards(at('killed'), pairsOf(0, 30), { ...options, pairsPerShard: 5 })
  expect(await filesIn(at('killed'))).toEqual(await filesIn(at('unbroken')))
})

test('a finished folder is left alone, completed where a shard is damaged, and extended by more pairs', async () => {
  await writeShards(at('long'), pairsOf(0, 13), options)
  const expected = await filesIn(at('long'))
  await writeShards(at('short'), pairsOf(0, 10), options)
  const short = await filesIn(at('short'))
  const never = () => {
    throw new Error('no pair is needed')
  }
  await writeShards(at('short'), never, { ...options, total: 10 })
  await writeShards(at('short'), pairsOf(0, 10), options)
  expect(await filesIn(at('short'))).toEqual(short)
  await truncate(at('short', '000001.tar'), 5000)
  await writeShards(at('short'), pairsOf(0, 10), { ...options, total: 10 })
  expect(await filesIn(at('short'))).toEqual(short)
  await writeShards(at('short'), pairsOf(0, 8), options)
  expect(Object.keys(await filesIn(at('short')))).toEqual(['000000.tar', '000001.tar', 'manifest.json'])
  await writeShards(at('short'), pairsOf(0, 13), options)
  expect(await filesIn(at('short'))).toEqual(expected)
})

test('a folder that holds other pairs is refused and left as it is', async () => {
  await writeShards(at(), pairsOf(0, 10), options)
  const before = await filesIn(at())
  await expect(writeShards(at(), pairsOf(1, 11), options)).rejects.toEqual(refusal('resume-mismatch', /noise-0/))
  await expect(writeShards(at(), pairsOf(0, 6), { ...options, total: 6 })).rejects.toEqual(
    refusal('resume-mismatch', /8 pairs already, 6/),
  )
  for (const other of [
    { pairsPerShard: 5 },
    { size: 9 },
    { source: 'elsewhere' },
    { effect: { ...effect, prompt: 'x' } },
  ]) {
    await expect(writeShards(at(), pairsOf(0, 10), { ...options, ...other })).rejects.toEqual(
      refusal('resume-mismatch'),
    )
  }
  expect(await filesIn(at())).toEqual(before)
})

test('abort keeps whole shards, leaves no partial one, and closes the source', async () => {
  const controller = new AbortController()
  let closed = false
  const source = (async function* () {
    try {
      yield* pairsOf(0, 100)
    } finally {
      closed = true
    }
  })()
  const onProgress = ({ pairs }: WriteProgress) => pairs === 6 && controller.abort()
  await expect(writeShards(at(), source, { ...options, signal: controller.signal, onProgress })).rejects.toEqual(
    refusal('aborted'),
  )
  expect(closed).toBe(true)
  expect(Object.keys(await filesIn(at()))).toEqual(['000000.tar', 'manifest.partial.json'])
})

test.each([
  [
    'an image of another size',
    { ...pairOf(1), target: noise(1, 9) },
    'shape-mismatch',
    /target of pair 'noise-1' is 9x9.*8x8/,
  ],
  [
    'an image that is no image',
    { ...pairOf(1), input: { width: 8, height: 8, data: new Uint8Array(3) } },
    'shape-mismatch',
    /192/,
  ],
  ['an id that is a path', { ...pairOf(1), id: '../x' }, 'invalid-argument', /'\.\.\/x'/],
  ['other parameters', { ...pairOf(1), parameters: {} }, 'invalid-argument', /\[strength\]/],
  ['a value that JSON cannot hold', { ...pairOf(1), parameters: { strength: Number.NaN } }, 'invalid-argument', /NaN/],
])('%s is refused, and no partial shard stays', async (_, pair, code, message) => {
  const pairs = (async function* () {
    yield pairOf(0)
    yield pair
  })()
  await expect(writeShards(at(), pairs, options)).rejects.toEqual(refusal(code, message))
  expect(await filesIn(at())).toEqual({})
})

test.each([0, -1, 1.5])('%s pairs a shard are refused', async pairsPerShard => {
  await expect(writeShards(at(), pairsOf(0, 1), { ...options, pairsPerShard })).rejects.toEqual(
    refusal('invalid-argument', /pairsPerShard/),
  )
})

test('no pairs are an empty data set', async () => {
  expect(await writeShards(at(), pairsOf(0, 0), options)).toMatchObject({ pairCount: 0, shards: [] })
})

test('a folder that is a file is a write that failed', async () => {
  await writeFile(at('file'), '')
  await expect(writeShards(at('file'), pairsOf(0, 1), options)).rejects.toEqual(refusal('write-failed', /file/))
  await expect(writeShards(at('file', 'below'), pairsOf(0, 1), options)).rejects.toEqual(refusal('write-failed'))
})

test('recordShards asks a teacher only for the seeds that are missing', async () => {
  const asked: number[][] = []
  const teacher = {
    specificationVersion: 'v1' as const,
    id: 'noise',
    version: '1',
    capabilities: {
      deterministic: true,
      pairCount: 100,
      size: { min: 8, max: 8 },
      effects: 'any' as const,
      parameters: ['strength'],
    },
    async *pairs({ seeds }: { seeds: Iterable<number> }) {
      asked.push([...seeds])
      for (const seed of asked.at(-1)!) yield pairOf(seed)
    },
  }
  const request = { effect, size, seeds: [9, 3, 7, 1, 5, 0] }
  const controller = new AbortController()
  const onProgress = ({ pairs }: WriteProgress) => pairs === 5 && controller.abort()
  await expect(
    recordShards(at(), teacher, { ...request, signal: controller.signal }, { pairsPerShard: 4, onProgress }),
  ).rejects.toEqual(refusal('aborted'))
  await recordShards(at(), teacher, request, { pairsPerShard: 4 })
  await recordShards(at(), teacher, request, { pairsPerShard: 4 })
  expect(asked).toEqual([
    [9, 3, 7, 1, 5, 0],
    [5, 0],
  ])
  expect((await collect(readShards(at()))).map(pair => pair.provenance.seed)).toEqual(request.seeds)
  for (const other of [{ seeds: [9, 3] }, { parameters: 'sampled' as const }]) {
    await expect(recordShards(at(), teacher, { ...request, ...other }, { pairsPerShard: 4 })).rejects.toEqual(
      refusal('resume-mismatch'),
    )
  }
})

test('seeds that give no pair are listed with their reasons, and a resumed run goes on after them', async () => {
  const asked: number[][] = []
  const odd = { reason: 'filtered', message: 'The service does not draw odd ones' }
  const teacher = {
    specificationVersion: 'v1' as const,
    id: 'noise',
    version: '1',
    capabilities: {
      deterministic: true,
      pairCount: 100,
      size: { min: 8, max: 8 },
      effects: 'any' as const,
      parameters: ['strength'],
    },
    async *pairs({ seeds, onSkip }: PairRequest) {
      asked.push([...seeds])
      for (const seed of asked.at(-1)!) {
        if (seed % 2 === 0) yield pairOf(seed)
        else onSkip?.({ seed, ...odd })
      }
    },
  }
  const request = { effect, size, seeds: [0, 1, 3, 2, 4, 5, 6, 7, 9, 8, 10, 11] }
  const shards = { pairsPerShard: 2 }
  const manifest = await recordShards(at('unbroken'), teacher, request, shards)
  expect(manifest).toMatchObject({
    pairCount: 6,
    skipped: [
      { seed: 1, ...odd, before: 1 },
      { seed: 3, ...odd, before: 1 },
      { seed: 5, ...odd, before: 3 },
      { seed: 7, ...odd, before: 4 },
      { seed: 9, ...odd, before: 4 },
      { seed: 11, ...odd, before: 6 },
    ],
  })
  const expected = await filesIn(at('unbroken'))
  for (const moment of [1, 2, 3, 4, 5]) {
    const folder = at(`broken-${moment}`)
    const controller = new AbortController()
    const seen: WriteProgress[] = []
    const onProgress = (progress: WriteProgress) => {
      seen.push(progress)
      if (progress.pairs === moment) controller.abort()
    }
    await expect(
      recordShards(folder, teacher, { ...request, signal: controller.signal }, { ...shards, onProgress }),
    ).rejects.toEqual(refusal('aborted'))
    expect(seen.at(-1)).toMatchObject({ pairs: moment, total: 12 })
    const told: number[] = []
    await recordShards(folder, teacher, { ...request, onSkip: ({ seed }) => told.push(seed) }, shards)
    // Nothing that is on disk is asked for again; what was skipped after it is.
    const from = { 1: 0, 2: 4, 3: 4, 4: 7, 5: 7 }[moment]!
    expect(asked.at(-1)).toEqual(request.seeds.slice(from))
    expect(told).toEqual(request.seeds.slice(from).filter(seed => seed % 2 === 1))
    expect(await filesIn(folder)).toEqual(expected)
  }
  const calls = asked.length
  await recordShards(at('unbroken'), teacher, request, shards)
  expect(asked).toHaveLength(calls)
  await truncate(at('unbroken', '000001.tar'), 512)
  await recordShards(at('unbroken'), teacher, request, shards)
  expect(await filesIn(at('unbroken'))).toEqual(expected)
})
