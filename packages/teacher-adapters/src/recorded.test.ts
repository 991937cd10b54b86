import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seededRandom } from '@fx/core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { collect } from '../test/collect.js'
import { temporaryFolder } from '../test/folder.js'
import { effect, noise, pairOf, pairsOf, size } from '../test/noise.js'
import { type EffectSpec, encodePng, equalImages, FxError, type TeacherPair } from './index.js'
import { portraitEffects, portraits } from './portraits.js'
import { recorded } from './recorded.js'
import { TAR_END, tarFile } from './shards/tar.js'
import { recordShards, writeShards } from './shards.js'
import { teacherConformance } from './testing.js'

const refusal = (code: string, message = /./) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) })
const plain: EffectSpec = { ...effect, parameters: {} }
const hair = portraitEffects['hair-colour']

describe('the contract', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fx-recorded-'))
    const request = { effect: hair, size: 24, seeds: Array.from({ length: 20 }, (_, i) => 7 * i) }
    await recordShards(
      join(folder, 'shards'),
      portraits(),
      { ...request, parameters: 'sampled' },
      { pairsPerShard: 15 },
    )
    await mkdir(join(folder, 'files'))
    for (const { input, target, provenance } of await collect(portraits().pairs(request))) {
      const name = join(folder, 'files', String(provenance.seed + 1000))
      await writeFile(`${name}.input.png`, encodePng(input))
      await writeFile(`${name}.target.png`, encodePng(target))
    }
  })
  afterAll(() => rm(folder, { recursive: true }))
  const source = { entry: '@fx/teacher-adapters/recorded', conditions: ['@fx/source'] }
  for (const [name, ...path] of [
    ['recorded shards', 'shards'],
    ['a recorded tar', 'shards', '000000.tar'],
  ] as const) {
    teacherConformance({ ...source, name, create: () => recorded({ path: join(folder, ...path) }), effects: [hair] })
  }
  teacherConformance({
    ...source,
    name: 'recorded files',
    create: () => recorded({ path: join(folder, 'files') }),
    effects: [{ ...hair, parameters: {} }],
  })
})

const at = temporaryFolder()
const ask = async (path: string, request: object = {}): Promise<TeacherPair[]> => {
  const teacher = await recorded({ path })
  const seeds = Array.from({ length: teacher.capabilities.pairCount }, (_, i) => i)
  return collect(teacher.pairs({ effect, size, seeds, ...request }))
}
const tar = (...files: [string, Uint8Array | string][]) =>
  Buffer.concat([...files.map(([name, data]) => tarFile(name, Buffer.from(data))), TAR_END])
const png = (seed: number, side = size) => encodePng(noise(seed, side))

test('portraits, recorded and read again, are the same to the last bit', async () => {
  const request = { effect: portraitEffects['hair-colour'], size: 32, seeds: [8, 2, 5], parameters: 'sampled' as const }
  await recordShards(at(), portraits(), request, { pairsPerShard: 2 })
  const live = await collect(portraits().pairs(request))
  const teacher = await recorded({ path: at() })
  const read = await collect(teacher.pairs({ ...request, seeds: [0, 1, 2] }))
  expect(read).toHaveLength(3)
  for (const [i, pair] of read.entries()) {
    expect(equalImages(pair.input, live[i]!.input)).toBe(true)
    expect(equalImages(pair.target, live[i]!.target)).toBe(true)
    expect(pair).toEqual(live[i])
  }
})

test('a folder of tars and a folder of files hold their pairs in the order of their names', async () => {
  await writeFile(at('b.tar'), tar(['x/9.input.png', png(3)], ['x/9.target.png', png(4)], ['notes.txt', 'hello']))
  await writeFile(
    at('a.tar'),
    tar(['2.target.png', png(2)], ['2.input.png', png(1)], ['1.input.png', png(5)], ['1.target.png', png(6)]),
  )
  const pairs = await ask(at(), { effect: plain })
  expect(pairs.map(({ id }) => id)).toEqual(['2', '1', 'x_9'])
  expect(pairs[2]).toEqual({
    id: 'x_9',
    input: noise(3),
    target: noise(4),
    parameters: {},
    provenance: {
      teacher: { id: 'recorded', version: expect.stringMatching(/^[0-9a-f]{16}$/) },
      seed: 2,
      licence: { id: 'NOASSERTION' },
    },
  })
  const licensed = await recorded({ path: at(), licence: { id: 'CC0-1.0' } })
  expect(licensed.capabilities.effects).toBe('any')
  const [pair] = await collect(licensed.pairs({ effect: plain, size, seeds: [0] }))
  expect(pair!.provenance.licence).toEqual({ id: 'CC0-1.0' })
})

test('parameters are what was recorded: anything goes by, nothing is bent', async () => {
  const strengths = [0.25, 1, 0.5]
  await writeShards(
    at(),
    (async function* () {
      for (const [seed, strength] of strengths.entries()) yield pairOf(seed, strength)
    })(),
    { effect, size },
  )
  expect((await ask(at(), { parameters: 'sampled' })).map(({ parameters }) => parameters.strength)).toEqual(strengths)
  expect(await ask(at(), { parameters: { strength: 0.5 }, seeds: [2] })).toHaveLength(1)
  await expect(ask(at(), { parameters: { strength: 0.5 } })).rejects.toEqual(
    refusal('invalid-argument', /strength 0\.25; 0\.5 was asked.*'sampled'/),
  )
  await expect(ask(at())).rejects.toEqual(refusal('invalid-argument', /strength 0\.25; 1 was asked/))
  const narrow = { ...effect, parameters: { strength: { min: 0.5, max: 1, default: 1 } } }
  await expect(ask(at(), { effect: narrow, parameters: 'sampled' })).rejects.toEqual(
    refusal('invalid-argument', /from 0\.5 to 1/),
  )
  await expect(ask(at(), { effect: plain })).rejects.toEqual(refusal('invalid-argument', /'strength'.*lacks/))
})

test('images of unequal size, and of another size than the first, are refused', async () => {
  await writeFile(at('1.input.png'), png(1))
  await writeFile(at('1.target.png'), png(2))
  await writeFile(at('2.input.png'), png(3))
  await writeFile(at('2.target.png'), png(4, 9))
  await expect(ask(at(), { effect: plain })).rejects.toEqual(refusal('shape-mismatch', /8x8.*9x9/))
  await writeFile(at('2.input.png'), png(3, 9))
  await expect(ask(at(), { effect: plain })).rejects.toEqual(refusal('shape-mismatch', /'2'.*9x9; 8x8 was asked/))
  await expect(ask(at(), { effect: plain, size: 16 })).rejects.toEqual(refusal('invalid-argument', /16.*8 to 8/))
})

test.each([
  ['an input without its target', [['1.input.png', png(1)]], /'1' has no '1\.target\.png'/],
  ['a target without its input', [['1.target.png', png(1)]], /'1' has no '1\.input\.png'/],
  [
    'a part twice',
    [
      ['1.input.png', png(1)],
      ['1.input.png', png(1)],
    ],
    /'1\.input\.png' twice/,
  ],
  [
    'a truncated PNG',
    [
      ['1.input.png', png(1).subarray(0, 90)],
      ['1.target.png', png(1)],
    ],
    /1\.input\.png is not a whole PNG/,
  ],
  [
    'a JSON that is none',
    [
      ['1.input.png', png(1)],
      ['1.target.png', png(1)],
      ['1.json', '{'],
    ],
    /1\.json is not JSON/,
  ],
  [
    'a JSON of something else',
    [
      ['1.input.png', png(1)],
      ['1.target.png', png(1)],
      ['1.json', '[]'],
    ],
    /does not describe a pair/,
  ],
] as [string, [string, Uint8Array | string][], RegExp][])('%s is refused', async (_, files, message) => {
  await writeFile(at('a.tar'), tar(...files))
  await expect(ask(at('a.tar'), { effect: plain })).rejects.toEqual(refusal('corrupt-file', message))
})

test('cut anywhere, a tar is refused', async () => {
  await writeShards(at(), pairsOf(0, 2), { effect, size })
  const bytes = await readFile(at('000000.tar'))
  for (let length = 0; length < bytes.length - 1024; length += 331) {
    await writeFile(at('cut.tar'), bytes.subarray(0, length))
    await expect(recorded({ path: at('cut.tar') })).rejects.toEqual(refusal('corrupt-file', /cut\.tar/))
  }
})

test('whatever bytes of a tar are changed, only typed errors come out', async () => {
  await writeShards(at(), pairsOf(0, 3), { effect, size })
  const bytes = await readFile(at('000000.tar'))
  const random = seededRandom('damage')
  const original = await ask(at())
  for (let round = 0; round < 300; round++) {
    const damaged = Buffer.from(bytes)
    for (let i = 0; i < 3; i++) damaged[random.integer(bytes.length)] = random.integer(256)
    await writeFile(at('damaged.tar'), damaged)
    const result = await ask(at('damaged.tar'), { parameters: 'sampled' }).catch(error => error)
    if (!Array.isArray(result)) expect(FxError.isInstance(result)).toBe(true)
    // Pixels have checksums of their own: what is read at all is read right.
    else for (const [i, { input }] of result.entries()) expect(equalImages(input, original[i]!.input)).toBe(true)
  }
})

test('nothing there, an unfinished run, a file that is no folder', async () => {
  await expect(recorded({ path: at() })).rejects.toEqual(refusal('not-found', /no pairs in/))
  await expect(recorded({ path: at('nowhere') })).rejects.toEqual(refusal('not-found', /nowhere/))
  await expect(recorded({ path: at('nowhere.tar') })).rejects.toEqual(refusal('not-found', /nowhere\.tar/))
  await writeFile(at('file'), '')
  await expect(recorded({ path: at('file') })).rejects.toEqual(refusal('not-found', /file/))
  await writeFile(at('manifest.partial.json'), '{}')
  await expect(recorded({ path: at() })).rejects.toEqual(refusal('corrupt-file', /did not finish/))
})
