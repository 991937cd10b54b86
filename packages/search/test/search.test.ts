import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FxError } from '@fx/core'
import { portraitEffects } from '@fx/teacher-adapters/portraits'
import { expect, test } from 'vitest'
import { type Candidate, type SearchOptions, type StudentSpace, searchStudent } from '../src/index.js'
import { fakeEngine } from './fake-engine.js'

const folder = async (): Promise<string> => join(await mkdtemp(join(tmpdir(), 'fx-search-')), 'search')

const space: StudentSpace = {
  encoder: { family: ['v2'], width: [0.1, 0.2, 0.3], depth: [0.1, 0.6] },
  decoder: { width: [0.1, 0.3], blocks: [0, 1], skip: ['add'] },
}

/** Wider decoders learn better, and all learn with time. */
const skill = ({ choice: { encoder, decoder } }: Candidate, step: number): number =>
  1 / (decoder.width! + 0.1 * encoder.width!) / step

/** A search in which nothing is left to chance: a machine of known times, and a trainer that knows the answer. */
const options = (out: string, overrides: Partial<SearchOptions> = {}): SearchOptions => ({
  out,
  budgetMs: 3.2,
  engine: fakeEngine(),
  backend: 'cpu',
  space,
  candidates: 100,
  entrants: 4,
  tolerance: 0.25,
  presets: false,
  size: 32,
  effect: portraitEffects['hair-colour'],
  teacher: () => {
    throw new Error('a fake trainer needs no teacher')
  },
  pairs: { train: 8, heldOut: 8 },
  training: { steps: 8 },
  train: async (candidate, step) => skill(candidate, step),
  ...overrides,
})

test('it predicts, measures those near the budget, trains fewer and fewer of them, and picks the best', async () => {
  const out = await folder()
  const asked: [string, number][] = []
  const { best, candidates, latency, run } = await searchStudent(
    options(out, {
      train: async (candidate, step) => {
        asked.push([candidate.id, step])
        return skill(candidate, step)
      },
    }),
  )
  expect(run).toBeUndefined()
  expect(candidates).toHaveLength(24)
  expect(latency.error.graphs.medianPercent).toBeLessThan(1)
  const trained = candidates.filter(({ figures }) => figures.length > 0)
  expect(trained.length).toBeGreaterThan(2)
  for (const { measuredMs, predictedMs } of trained) {
    expect(measuredMs).toBeLessThanOrEqual(3.2)
    expect(measuredMs).toBeGreaterThanOrEqual(3.2 * 0.75)
    expect(predictedMs / measuredMs!).toBeCloseTo(1, 1)
  }
  expect(asked.filter(([, step]) => step === 2)).toHaveLength(trained.length)
  expect(asked.filter(([, step]) => step === 4)).toHaveLength(Math.ceil(trained.length / 2))
  expect(asked.filter(([, step]) => step === 8)).toHaveLength(Math.ceil(trained.length / 4))
  const most = Math.min(...trained.map(candidate => skill(candidate, 8)))
  expect(skill(best, 8)).toBe(most)
  expect(best.figures.map(({ step }) => step)).toEqual([2, 4, 8])
  const csv = await readFile(join(out, 'candidates.csv'), 'utf8')
  expect(csv.split('\n').filter(line => line.endsWith(',true'))).toEqual([expect.stringMatching(`^${best.id},`)])
  expect(await readFile(join(out, 'pareto.svg'), 'utf8')).toContain(`>${best.id}</text>`)
})

test('stopped at any point and started again, it ends in the same answer, and trains nothing twice', async () => {
  const work = (stopAt = Number.POSITIVE_INFINITY) => {
    const machine = fakeEngine()
    const counted = { count: 0, trained: 0, parts: {} as Pick<SearchOptions, 'train' | 'engine'> }
    const next = (): void => {
      if (counted.count === stopAt) throw new Error('killed')
      counted.count++
    }
    counted.parts = {
      train: async (candidate, step) => {
        next()
        counted.trained++
        return skill(candidate, step)
      },
      engine: {
        name: 'fake',
        measure: async graphs => {
          next()
          return machine.measure(graphs, { rounds: 1 })
        },
      },
    }
    return counted
  }
  const unbroken = work()
  const latency = (await searchStudent(options(await folder()))).latency
  const small = { candidates: 7, entrants: 3, rungs: 2, latency }
  const { best, candidates } = await searchStudent(options(await folder(), { ...small, ...unbroken.parts }))
  expect(unbroken.count).toBeGreaterThan(6)
  for (let stopAt = 0; stopAt < unbroken.count; stopAt++) {
    const out = await folder()
    const [first, second] = [work(stopAt), work()]
    await expect(searchStudent(options(out, { ...small, ...first.parts }))).rejects.toThrow('killed')
    const resumed = await searchStudent(options(out, { ...small, ...second.parts }))
    expect(resumed.best).toEqual(best)
    expect(resumed.candidates).toEqual(candidates)
    expect(first.trained + second.trained).toBe(unbroken.trained)
  }
})

test('an abort ends it with what it has; another seed draws others; other options are refused', async () => {
  const out = await folder()
  const controller = new AbortController()
  const stopping = options(out, {
    candidates: 10,
    signal: controller.signal,
    onProgress: ({ phase, done }) => phase === 'training' && done === 2 && controller.abort(),
  })
  await expect(searchStudent(stopping)).rejects.toMatchObject({ code: 'aborted' })
  const resumed = await searchStudent(options(out, { candidates: 10 }))
  const other = await searchStudent(options(await folder(), { candidates: 10, seed: 2 }))
  const choices = ({ candidates }: typeof other) => candidates.map(({ choice }) => choice)
  expect(choices(other)).not.toEqual(choices(resumed))
  await expect(searchStudent(options(out, { candidates: 10, budgetMs: 3 }))).rejects.toThrow(
    /started with other options \(budgetMs: 3.2 -> 3\)/,
  )
  await writeFile(join(out, 'search.json'), '{"entries": 3}')
  await expect(searchStudent(options(out))).rejects.toMatchObject({ code: 'corrupt-file' })
})

test('a machine that is slower than predicted gets the same students for a budget as much larger', async () => {
  const { best, latency } = await searchStudent(options(await folder()))
  const engine = fakeEngine()
  const slow = {
    ...engine,
    measure: async (...call: Parameters<typeof engine.measure>) => (await engine.measure(...call)).map(ms => 1.6 * ms),
  }
  const found = await searchStudent(options(await folder(), { latency, engine: slow, budgetMs: 3.2 * 1.6 }))
  expect(found.best.id).toBe(best.id)
  expect(found.best.measuredMs).toBeCloseTo(1.6 * best.measuredMs!, 3)
})

test('one that cannot be trained loses, and a preset within the budget is not overlooked', async () => {
  const train: SearchOptions['train'] = async (candidate, step) =>
    candidate.id === 'preset-nano' ? 0.001 : step === 2 ? Number.NaN : skill(candidate, step)
  const { best, candidates } = await searchStudent(
    options(await folder(), { presets: true, candidates: 10, budgetMs: 3.2, tolerance: 0.3, entrants: 2, train }),
  )
  expect(candidates.filter(({ id }) => id.startsWith('preset-'))).toHaveLength(4)
  expect(best.id).toBe('preset-nano')
  expect(best.finalMs).toBeLessThan(3.2)
})

test.each<[Partial<SearchOptions> & Record<string, unknown>, RegExp]>([
  [{ budgetMs: 0 }, /budgetMs is 0; it must be a number from/],
  [
    { budgetMs: 0.51 },
    /No student of the space takes 0\.383 to 0\.510 ms on fake.*predicted to take .* Change budgetMs/,
  ],
  [{ space: { encoder: { width: [] } } }, /space\.encoder\.width is \[\]; it must be a list/],
  [{ space: { decoder: { wdith: [1] } } as StudentSpace }, /space\.decoder has no option 'wdith'; it can have 'width'/],
  [
    { space: { family: ['v2'] } as StudentSpace },
    /space has no option 'family'; it can have 'head'.*'encoder' or 'decoder'/,
  ],
  [{ space: { encoder: { width: [0] } } }, /width is 0; it must be a number from 0\.05/],
  [{ space: { encoder: { family: ['v9' as 'v2'] } } }, /'v1'.*'v2'/],
  [{ steps: 3 }, /A search has no member 'steps'; its members are 'budgetMs', 'tolerance'/],
  [{ training: { steps: 3 } }, /3 rungs with eta 2 need training\.steps of at least 4, not 3/],
  [{ rungs: 0 }, /rungs is 0/],
  [{ latency: { kinds: {} } as SearchOptions['latency'] }, /not a latency model/],
])('%j is refused, saying what is allowed', async (wrong, message) => {
  const error = await searchStudent(options(await folder(), { candidates: 4, ...wrong })).catch(
    (error: unknown) => error,
  )
  expect(FxError.isInstance(error)).toBe(true)
  expect((error as Error).message).toMatch(message)
})
