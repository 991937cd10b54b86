import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { picture } from './bundle.js'
import { launchChromium, softwareGpu } from './chromium.js'
import type { Harness } from './engines/harness.js'
import { size, smallerSize, writeStudent } from './engines/students.js'
import { startServer, type TestServer } from './server.js'
import { buildSite, litertFolder, wasmFolder } from './site.js'

const kinds = ['plain', 'ranged', 'conditioned', 'matte'] as const
type Kind = (typeof kinds)[number]

let site: Awaited<ReturnType<typeof buildSite>>
let bundles: string
let browser: Browser
let server: TestServer
let page: Page
const students = {} as Record<Kind, Awaited<ReturnType<typeof writeStudent>>>

const writeStudents = async (): Promise<void> => {
  for (const kind of kinds) students[kind] = await writeStudent(join(bundles, kind), kind)
  const strict = join(bundles, 'strict')
  await cp(join(bundles, 'plain'), strict, { recursive: true })
  const manifest = JSON.parse(await readFile(join(strict, 'effect.json'), 'utf8'))
  manifest.probe.tolerance = -1
  await writeFile(join(strict, 'effect.json'), JSON.stringify(manifest))
}

beforeAll(async () => {
  bundles = await mkdtemp(join(tmpdir(), 'fx-runtime-web-engines-'))
  const built = buildSite(new URL('./engines', import.meta.url))
  ;[site, browser] = await Promise.all([built, launchChromium(softwareGpu), writeStudents()])
  const folders = { '/': site.folder, '/wasm/': wasmFolder(), '/litert/': litertFolder(), '/bundles/': bundles }
  server = await startServer(folders, true)
  page = await browser.newPage()
  page.on('pageerror', error => console.error(`page: ${error.message}`))
  await page.goto(`${server.url}/index.html`)
  await page.waitForFunction(() => 'call' in globalThis)
}, 240_000)

afterAll(async () => {
  await browser?.close()
  await Promise.all([server?.close(), site?.remove()])
  await rm(bundles, { recursive: true, force: true })
})

type Caller = 'call' | 'callHere'

const caller =
  (where: Caller) =>
  <Name extends keyof Harness>(
    name: Name,
    ...parameters: Parameters<Harness[Name]>
  ): Promise<Awaited<ReturnType<Harness[Name]>>> =>
    page.evaluate(
      ([where, name, parameters]) =>
        (globalThis as unknown as Record<Caller, (...p: unknown[]) => Promise<never>>)[where](name, parameters),
      [where, name, parameters] as const,
    )

/** Calls one function of the worker; of the page. */
const call = caller('call')
const callHere = caller('callHere')

const nothing = { tensors: 0, engines: [] }

/** Threads stay for a second. */
const leftOver = (expected: object, from = call) =>
  expect.poll(() => from('left'), { timeout: 20_000 }).toEqual(expected)

afterEach(() => leftOver(nothing))

/** Largest difference, out of 255, of an answer, laid over its picture, from the LayersModel's in Node. */
const compare = (actual: readonly number[], rgba: Uint8ClampedArray, kind: Kind, values: number[] = []): number => {
  const expected = students[kind].answer(rgba, values)
  expect(Math.max(...expected) - Math.min(...expected)).toBeGreaterThan(100)
  return expected.reduce((worst, value, i) => {
    const pixel = 4 * Math.floor(i / 3)
    const alpha = actual[pixel + 3]! / 255
    const over = actual[pixel + (i % 3)]! * alpha + rgba[pixel + (i % 3)]! * (1 - alpha)
    return Math.max(worst, Math.abs(over - value))
  }, 0)
}

const difference = async (id: number, kind: Kind, seed: number, values: number[] = [], side = size) => {
  const rgba = picture(seed, side, side)
  return compare(await call('run', id, Array.from(rgba), values), rgba, kind, values)
}

describe.each([
  ['wasm', 1],
  ['wasm', 2],
  ['litert', 1],
  ['litert', 2],
  ['webgl', 1],
  ['webgpu', 1],
  ['cpu', 1],
] as const)('%s, threads: %i', (engine, threads) => {
  const open = (kind: Kind) => call('open', `/bundles/${kind}/`, { engine, threads })

  test('frames are those of the LayersModel in Node, whatever the ranges, and leave no tensor', async () => {
    for (const kind of ['plain', 'ranged'] as const) {
      const { id, ...runner } = await open(kind)
      expect(runner).toEqual({ engine, threads, width: size, height: size, parameters: 0 })
      expect(await difference(id, kind, 1)).toBeLessThanOrEqual(2)
      const before = await call('memory', id)
      for (const seed of [2, 3]) expect(await difference(id, kind, seed)).toBeLessThanOrEqual(2)
      expect(await call('memory', id)).toEqual(before)
      expect(await call('failToRun', id, [1])).toMatchObject({ code: 'invalid-argument' })
      await call('dispose', id)
      expect(await call('failToRun', id, [])).toMatchObject({ code: 'aborted' })
    }
  })

  test('parameters act', async () => {
    const { id, parameters } = await open('conditioned')
    expect(parameters).toBe(2)
    for (const values of [
      [0.25, -0.5],
      [1, 1],
    ]) {
      expect(await difference(id, 'conditioned', 1, values)).toBeLessThanOrEqual(2)
    }
    expect(await call('failToRun', id, [1])).toMatchObject({ code: 'invalid-argument' })
    expect(await call('failToRun', id, [1, Number.NaN])).toMatchObject({ code: 'invalid-argument' })
    await call('dispose', id)
  })

  test('a matte shows through where the student paints nothing', async () => {
    const { id } = await open('matte')
    expect(await difference(id, 'matte', 1)).toBeLessThanOrEqual(2)
    const alphas = (await call('run', id, Array.from(picture(1, size, size)), [])).filter((_, i) => i % 4 === 3)
    expect(Math.min(...alphas)).toBeLessThan(50)
    expect(Math.max(...alphas)).toBeGreaterThan(200)
    await call('dispose', id)
  })
})

test.each(['wasm', 'litert', 'webgl', 'webgpu'] as const)(
  '%s that died is left whole, and starts again',
  async engine => {
    const first = await call('open', '/bundles/plain/', { engine, threads: 2 })
    expect(await difference(first.id, 'plain', 1)).toBeLessThanOrEqual(2)
    await call('breakEngine', first.id)
    expect(await call('failToRun', first.id, [])).toMatchObject({
      code: 'backend-unavailable',
      message: expect.stringContaining(engine),
    })
    expect(await call('left')).toEqual(nothing)
    await call('dispose', first.id)
    const { id } = await call('open', '/bundles/plain/', { engine, threads: 2 })
    expect(await difference(id, 'plain', 2)).toBeLessThanOrEqual(2)
    await call('dispose', id)
  },
)

test.each(['wasm', 'webgl'] as const)('%s runs a smaller model of the bundle beside its own', async engine => {
  await call('fetched')
  const own = await call('open', '/bundles/plain/', { engine })
  const wanted = ['effect.json', 'model/model.json', 'model/weights.bin', 'probe/input.rgb', 'probe/output.rgb']
  expect(new Set(await call('fetched'))).toEqual(new Set(wanted.map(path => `/bundles/plain/${path}`)))
  const smaller = { width: smallerSize, height: smallerSize }
  const small = await call('open', '/bundles/plain/', { engine, size: smaller })
  expect(small).toMatchObject(smaller)
  for (const seed of [1, 2]) {
    expect(await difference(small.id, 'plain', seed, [], smallerSize)).toBeLessThanOrEqual(2)
    expect(await difference(own.id, 'plain', seed)).toBeLessThanOrEqual(2)
  }
  await call('dispose', own.id)
  expect(await difference(small.id, 'plain', 3, [], smallerSize)).toBeLessThanOrEqual(2)
  await call('dispose', small.id)
})

test('all students of an engine end with it', async () => {
  const own = await call('open', '/bundles/plain/', { engine: 'wasm' })
  const small = await call('open', '/bundles/plain/', {
    engine: 'wasm',
    size: { width: smallerSize, height: smallerSize },
  })
  await call('breakEngine', own.id)
  for (const { id } of [own, small]) {
    expect(await call('failToRun', id, [])).toMatchObject({ code: 'backend-unavailable' })
  }
  expect(await call('left')).toEqual(nothing)
})

test('an engine runs while another starts', async () => {
  const wasm = await call('open', '/bundles/plain/', { engine: 'wasm' })
  const frames = async () => {
    for (let seed = 0; seed < 6; seed++) expect(await difference(wasm.id, 'plain', seed)).toBeLessThanOrEqual(2)
  }
  const [webgl] = await Promise.all([call('open', '/bundles/plain/', { engine: 'webgl' }), frames()])
  for (const { id } of [wasm, webgl, wasm]) expect(await difference(id, 'plain', 1)).toBeLessThanOrEqual(2)
  await call('dispose', webgl.id)
  expect(await difference(wasm.id, 'plain', 2)).toBeLessThanOrEqual(2)
  await call('dispose', wasm.id)
})

test('auto keeps the fastest on real hardware', async () => {
  const { id, engine, tried } = await call('choose', '/bundles/plain/', {})
  expect(['wasm', 'litert']).toContain(engine)
  expect(tried).toMatchObject([
    { engine: 'webgpu', usable: false, reason: expect.stringMatching(/software adapter/) },
    { engine: 'webgl', usable: false, reason: expect.stringMatching(/software/) },
    { engine: 'litert', usable: true },
    { engine: 'wasm', usable: true },
  ])
  const { [engine]: best, ...others } = Object.fromEntries(
    tried.map(({ engine, p50Ms }) => [engine, p50Ms ?? Infinity]),
  )
  expect(best).toBeLessThanOrEqual(Math.min(...Object.values(others)))
  await leftOver({ tensors: expect.any(Number), engines: [engine] })
  expect(await difference(id, 'plain', 1)).toBeLessThanOrEqual(2)
  await call('dispose', id)
})

describe('what cannot be is named, and leaves nothing', () => {
  test.each(['wasm', 'litert', 'webgl'] as const)('%s: wrong answers', async engine => {
    expect(await call('fail', '/bundles/strict/', { engine })).toEqual({
      code: 'backend-unavailable',
      message: expect.stringMatching(/computes this effect wrongly here: off by \d+ of 255, allowed are -1/),
    })
  })

  test.each(['wasm', 'litert', 'webgl'] as const)('%s: a signal', async engine => {
    expect(await call('abort', '/bundles/plain/', { engine })).toMatchObject({ code: 'aborted' })
  })

  test('no SIMD', async () => {
    expect(await call('failWithoutSimd', '/bundles/plain/')).toMatchObject({
      code: 'backend-unavailable',
      message: expect.stringContaining('SIMD'),
    })
  })

  test('no LiteRT.js where it should be, or no place told', async () => {
    const fail = (litertPath?: string) => call('fail', '/bundles/plain/', { engine: 'litert', litertPath })
    expect(await fail(`${server.url}/nowhere/`)).toMatchObject({
      code: 'backend-unavailable',
      message: expect.stringMatching(/nowhere\/litert_wasm_\w*internal\.js/),
    })
    expect(await fail()).toMatchObject({ code: 'backend-unavailable', message: expect.stringContaining('litertPath') })
  })

  test('a size that the bundle has not, or not for LiteRT.js', async () => {
    const fail = (engine: 'wasm' | 'litert', side: number) =>
      call('fail', '/bundles/plain/', { engine, size: { width: side, height: side } })
    expect(await fail('wasm', 48)).toMatchObject({
      code: 'invalid-argument',
      message: expect.stringMatching(/48x48.*'64x64' or '32x32'/),
    })
    expect(await fail('litert', smallerSize)).toMatchObject({ code: 'backend-unavailable' })
  })
})

test('LiteRT.js runs in a page, too', async () => {
  const { id, threads } = await callHere('open', '/bundles/plain/', { engine: 'litert', threads: 2 })
  expect(threads).toBe(2)
  const rgba = picture(1, size, size)
  expect(compare(await callHere('run', id, Array.from(rgba), []), rgba, 'plain')).toBeLessThanOrEqual(2)
  await callHere('dispose', id)
  await leftOver(nothing, callHere)
  expect(await page.evaluate(() => ['Module', 'importScripts', 'define'].filter(name => name in globalThis))).toEqual(
    [],
  )
})
