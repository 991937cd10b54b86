import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { picture, size, writeTestBundle } from './bundle.js'
import { launchChromium } from './chromium.js'
import type { Harness } from './page/main.js'
import { startServer, type TestServer } from './server.js'
import { buildSite, wasmFolder } from './site.js'

let site: Awaited<ReturnType<typeof buildSite>>
let bundles: string
let student: Awaited<ReturnType<typeof writeTestBundle>>
let browser: Browser
let isolated: TestServer
let plain: TestServer
let page: Page

/** A copy of the good bundle with one thing changed. */
const spoiled = async (name: string, change: (folder: string) => Promise<void>): Promise<void> => {
  const folder = join(bundles, name)
  await cp(join(bundles, 'good'), folder, { recursive: true })
  await change(folder)
}

const editManifest = async (folder: string, edit: (manifest: Record<string, unknown>) => void): Promise<void> => {
  const path = join(folder, 'effect.json')
  const manifest = JSON.parse(await readFile(path, 'utf8'))
  edit(manifest)
  await writeFile(path, JSON.stringify(manifest))
}

beforeAll(async () => {
  bundles = await mkdtemp(join(tmpdir(), 'fx-runtime-web-bundles-'))
  ;[site, student, browser] = await Promise.all([buildSite(), writeTestBundle(join(bundles, 'good')), launchChromium()])
  const folders = { '/': site.folder, '/wasm/': wasmFolder(), '/bundles/': bundles }
  ;[isolated, plain] = await Promise.all([startServer(folders, true), startServer(folders, false)])
})

afterAll(async () => {
  await browser?.close()
  await Promise.all([isolated?.close(), plain?.close(), site?.remove()])
  await rm(bundles, { recursive: true, force: true })
})

const open = async (server: TestServer): Promise<void> => {
  page = await browser.newPage()
  page.on('pageerror', error => console.error(`page: ${error.message}`))
  await page.goto(`${server.url}/index.html`)
  await page.waitForFunction(() => 'harness' in globalThis)
}

afterEach(() => page?.close())

/** Calls one function of the test page. */
const call = <Name extends keyof Harness>(
  name: Name,
  ...parameters: Parameters<Harness[Name]>
): Promise<Awaited<ReturnType<Harness[Name]>>> =>
  page.evaluate(
    ([name, parameters]) =>
      (globalThis as unknown as { harness: Record<string, (...p: unknown[]) => never> }).harness[name]!(...parameters),
    [name, parameters] as const,
  )

/** Waits until the page has no worker. Chromium gives threads that wait in wasm two seconds before it ends them. */
const workersEnd = (): Promise<void> => expect.poll(() => page.workers().map(worker => worker.url())).toEqual([])

/** Largest difference, out of 255, from the LayersModel in Node. */
const difference = (actual: readonly number[], rgba: Uint8ClampedArray): number => {
  const expected = student.answer(rgba)
  expect(actual.filter((_, i) => i % 4 === 3).every(alpha => alpha === 255)).toBe(true)
  const rgb = actual.filter((_, i) => i % 4 !== 3)
  expect(Math.max(...rgb) - Math.min(...rgb)).toBeGreaterThan(100)
  return rgb.reduce((worst, value, i) => Math.max(worst, Math.abs(value - expected[i]!)), 0)
}

const kinds = [
  'ImageData',
  'ImageBitmap',
  'HTMLCanvasElement',
  'OffscreenCanvas',
  'HTMLImageElement',
  'VideoFrame',
] as const

describe.each([
  ['a worker, one thread', true, 1],
  ['a worker, two threads', true, 2],
  ['the page, one thread', false, 1],
  ['the page, two threads', false, 2],
])('in %s', (_, worker, threads) => {
  beforeEach(async () => {
    await open(isolated)
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true)
  })

  test('the pixels are those of the LayersModel in Node, whatever the source', async () => {
    expect(await call('load', '/bundles/good/', { worker, threads })).toMatchObject({ engine: 'wasm', threads })
    for (const [seed, kind] of kinds.entries()) {
      const rgba = picture(seed + 1)
      const actual = await call('run', kind, size, size, Array.from(rgba))
      expect(difference(actual, rgba), kind).toBeLessThanOrEqual(2)
    }
    const rgba = picture(7)
    expect(difference(await call('paint', size, size, Array.from(rgba)), rgba)).toBeLessThanOrEqual(2)
    const wide = picture(8, size + 16)
    const centre = wide.filter((_, i) => {
      const x = (i >> 2) % (size + 16)
      return x >= 8 && x < 8 + size
    })
    for (const kind of kinds) {
      const actual = await call('run', kind, size + 16, size, Array.from(wide))
      expect(difference(actual, centre), `centre of ${kind}`).toBeLessThanOrEqual(2)
    }
  })
})

describe.each([
  ['a worker', true],
  ['the page', false],
])('in %s', (_, worker) => {
  beforeEach(() => open(isolated))

  const tensors = (): Promise<number> =>
    worker
      ? page
          .workers()[0]!
          .evaluate(
            () =>
              (globalThis as unknown as { _tfengine: { state: { numTensors: number } } })._tfengine.state.numTensors,
          )
      : call('tensors')

  test('frames leave no tensor, disposal leaves nothing', async () => {
    const before = await call('tensors')
    await call('load', '/bundles/good/', { worker })
    await call('runMany', 2)
    const loaded = await tensors()
    expect((await call('runMany', 10)).frames).toBe(12)
    expect(await call('failToRun')).toMatchObject({
      code: 'invalid-argument',
      message: expect.stringContaining('VideoFrame'),
    })
    expect(await call('failToRunVideo')).toMatchObject({ code: 'invalid-argument' })
    expect(await call('failWithParameter')).toMatchObject({
      code: 'invalid-argument',
      message: expect.stringContaining('strength'),
    })
    expect(await tensors()).toBe(loaded)
    expect(await call('failInFlight')).toMatchObject({ code: 'aborted' })
    expect(await call('failToRun')).toMatchObject({ code: 'aborted' })
    if (worker) await workersEnd()
    expect(await call('tensors')).toBe(before)
  })

  test('a burst of draws paints the first and the newest', async () => {
    await call('load', '/bundles/good/', { worker })
    expect(await call('drawBurst', 5)).toEqual([true, false, false, false, true])
  })

  test('a camera plays', async () => {
    await call('load', '/bundles/good/', { worker })
    const { different, stats } = await call('camera', 5)
    expect(different).toBeGreaterThan(1)
    expect(stats.frames).toBeGreaterThanOrEqual(5)
    expect(stats.p95Ms).toBeGreaterThanOrEqual(stats.p50Ms)
  })

  test('what is wrong with a bundle is named', async () => {
    const label = worker ? 'worker' : 'page'
    await spoiled(`html-${label}`, folder => writeFile(join(folder, 'effect.json'), '<!doctype html><p>hello'))
    await spoiled(`newer-${label}`, folder => editManifest(folder, manifest => (manifest.formatVersion = 2)))
    await spoiled(`checksum-${label}`, async folder => {
      const path = join(folder, 'model', 'weights.bin')
      const weights = await readFile(path)
      weights[100]! ^= 1
      await writeFile(path, weights)
    })
    await spoiled(`truncated-${label}`, async folder => {
      const path = join(folder, 'model', 'weights.bin')
      await writeFile(path, (await readFile(path)).subarray(0, -4))
    })
    await spoiled(`incomplete-${label}`, folder => rm(join(folder, 'model', 'weights.bin')))
    await spoiled(`strict-${label}`, folder =>
      editManifest(folder, manifest => Object.assign(manifest.probe as object, { tolerance: -1 })),
    )
    const before = await call('tensors')
    const cases = [
      ['nowhere', 'not-found', '404'],
      [`html-${label}`, 'corrupt-file', 'web page'],
      [`newer-${label}`, 'newer-version', 'Update @fx/runtime-web'],
      [`checksum-${label}`, 'checksum-mismatch', 'weights.bin'],
      [`truncated-${label}`, 'corrupt-file', 'truncated'],
      [`incomplete-${label}`, 'not-found', 'weights.bin'],
      [`strict-${label}`, 'backend-unavailable', 'wrongly'],
    ]
    for (const [name, code, message] of cases) {
      expect(await call('failToLoad', `/bundles/${name}/`, worker)).toEqual({
        code,
        message: expect.stringContaining(message!),
      })
    }
    expect(await call('abort', '/bundles/good/', worker)).toMatchObject({ code: 'aborted' })
    expect(await call('tensors')).toBe(before)
    if (worker) await workersEnd()
  })
})

test('without cross-origin isolation one thread does', async () => {
  await open(plain)
  expect(await call('load', '/bundles/good/', { worker: true, threads: 2 })).toMatchObject({
    engine: 'wasm',
    threads: 1,
  })
  const rgba = picture(1)
  expect(difference(await call('run', 'ImageData', size, size, Array.from(rgba)), rgba)).toBeLessThanOrEqual(2)
})

test('a worker may be started by the caller', async () => {
  await open(isolated)
  expect(await call('loadInOwnWorker', '/bundles/good/')).toMatchObject({ engine: 'wasm' })
  const rgba = picture(1)
  expect(difference(await call('run', 'ImageData', size, size, Array.from(rgba)), rgba)).toBeLessThanOrEqual(2)
})
