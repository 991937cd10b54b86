import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { prepareBackend } from '@fx/backend'
import { beforeAll, describe, expect, test } from 'vitest'
import { broken, DEFECTS, dusk } from '../../test/broken-teachers.js'
import { landscapes } from '../../test/example-teacher.js'
import { teacherConformance } from '../testing.js'
import { CASES } from './cases.js'
import { type ConformanceOptions, resolveOptions } from './options.js'
import { createRunner, type Outcome } from './runner.js'

const good: ConformanceOptions = {
  name: 'landscapes',
  create: broken({}),
  effects: [dusk],
  // Imports nothing, and so is quick to search.
  entry: new URL('../../test/collect.ts', import.meta.url),
  size: 16,
}

/** Runs every case; gives those of each outcome by number. */
const judge = async (options: ConformanceOptions): Promise<Record<Outcome['status'], Record<string, string>>> => {
  const runner = createRunner(resolveOptions(options, process.cwd()))
  const found = { passed: {}, failed: {}, skipped: {}, 'not judged': {} } as Record<string, Record<string, string>>
  for (const each of CASES) {
    const outcome = await runner.outcome(each)
    const said = 'error' in outcome ? outcome.error.message : 'reason' in outcome ? outcome.reason : ''
    found[outcome.status]![each.number] = said
  }
  await runner.close()
  return found as Record<Outcome['status'], Record<string, string>>
}

beforeAll(async () => {
  await prepareBackend({ backend: 'wasm', threads: 1 })
})

test('cases are numbered from T01 on, and no two have one name', () => {
  expect(CASES.map(({ number }) => number)).toEqual(CASES.map((_, i) => `T${String(i + 1).padStart(2, '0')}`))
  expect(new Set(CASES.map(({ name }) => name)).size).toBe(CASES.length)
})

test('a good teacher passes every case', async () => {
  const { passed, failed } = await judge(good)
  expect(failed).toEqual({})
  expect(Object.keys(passed)).toHaveLength(CASES.length)
})

describe('a teacher that', () => {
  test.each(Object.entries(DEFECTS))('%s fails one case', async (_, { fails, options, ...defect }) => {
    const { failed } = await judge({ ...good, create: broken(defect), ...options })
    expect(failed).toEqual({ [fails]: expect.stringMatching(new RegExp(`^${fails}: the adapter `)) })
  })

  test('imports a student fails one case', async () => {
    const { failed } = await judge({ ...good, entry: '@fx/distill' })
    expect(failed).toEqual({ T30: expect.stringMatching(/imports a student: @fx\/distill/) })
  })

  test('never gives a pair fails in time', async () => {
    const never = () => ({ next: () => new Promise<never>(() => {}) })
    const create = broken({ adapter: () => ({ pairs: () => ({ [Symbol.asyncIterator]: never }) }) })
    const { passed, failed, 'not judged': rest } = await judge({ ...good, create, timeout: 1000 })
    expect(failed).toEqual({ T03: 'T03: the adapter took longer than 1000 ms (see timeout)' })
    expect(Object.keys(passed)).toEqual(['T01', 'T02', 'T30'])
    expect(rest.T31).toMatch(/not judged, because T13 .* failed/)
  })
})

test('a teacher that declares that it is not deterministic is not asked for equal bytes', async () => {
  const random = { ...DEFECTS['is random'], capabilities: { deterministic: false } }
  const { failed, skipped } = await judge({ ...good, create: broken(random) })
  expect(failed).toEqual({})
  expect(Object.keys(skipped)).toEqual(['T16', 'T17'])
})

test('a slow teacher is asked for few pairs', async () => {
  let made = 0
  const pair = <T>(given: T): T => {
    made++
    return given
  }
  const { failed } = await judge({ ...good, create: broken({ pair }), pairs: 2, distillation: { pairs: 12 } })
  expect(failed).toEqual({})
  expect(made).toBeLessThanOrEqual(45)
})

test('the README shows the example that is tested here', async () => {
  const read = (path: string) => readFile(new URL(path, import.meta.url), 'utf8')
  expect(await read('../../README.md')).toContain(await read('../../test/example-teacher.ts'))
})

test.each([
  ['no effects', { effects: [] }, /effects is empty/],
  ['a malformed effect', { effects: [{ ...dusk, id: 'At Dusk' }] }, /kebab-case/],
  ['one pair', { pairs: 1 }, /pairs is 1/],
  ['a size of no whole number', { size: 0.5 }, /size is 0.5/],
  ['a margin of everything', { distillation: { margin: 1 } }, /margin is 1/],
  ['a limit that is none', { alignment: { maxDrift: -1 } }, /maxDrift is -1/],
])('options with %s are refused', (_, change, message) => {
  const ask = () => teacherConformance({ ...good, ...change })
  expect(ask).toThrow(expect.objectContaining({ code: 'invalid-argument', message: expect.stringMatching(message) }))
})

test('in vitest a broken teacher fails by the names of its cases, and what cannot be judged is skipped', async () => {
  const root = fileURLToPath(new URL('../../', import.meta.url))
  const config = fileURLToPath(new URL('../../test/child/vitest.config.ts', import.meta.url))
  const suites = fileURLToPath(new URL('../../test/child/conformance.ts', import.meta.url))
  const vitest = ['run', '--root', root, '--config', config, '--reporter', 'json', suites]
  const report = await new Promise<string>(resolve => {
    const program = fileURLToPath(new URL('../../../../node_modules/vitest/vitest.mjs', import.meta.url))
    execFile(process.execPath, [program, ...vitest], (_, stdout) => resolve(stdout))
  })
  type Reported = { status: string; title: string; ancestorTitles: string[]; failureMessages: string[] }
  const reported: Reported[] = JSON.parse(report).testResults[0].assertionResults
  expect(reported).toHaveLength(2 * CASES.length)
  const of = (suite: string, status: string) =>
    reported.filter(each => each.ancestorTitles[0]!.includes(suite) && each.status === status)
  const [values] = of('values from 0 to 1', 'failed')
  expect(values!.title).toBe('T04 yields images of the asked size, RGB, 0-255')
  expect(values!.failureMessages[0]).toMatch(/T04: the adapter gave images whose brightest value is 1/)
  expect(of('values from 0 to 1', 'failed')).toHaveLength(1)
  expect(of('values from 0 to 1', 'skipped').map(({ title }) => title.slice(0, 3))).toContain('T31')
  expect(of('leaks', 'failed').map(({ title }) => title.slice(0, 3))).toEqual(['T27'])
  expect(of('leaks', 'skipped')).toEqual([])
})

teacherConformance({
  name: 'the example',
  create: landscapes,
  effects: [dusk],
  entry: new URL('../../test/example-teacher.ts', import.meta.url),
  conditions: ['@fx/source'],
})
