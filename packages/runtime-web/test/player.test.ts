import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { launchChromium } from './chromium.js'
import { fakeCamera } from './fake-camera.js'
import { writeInverter } from './player/inverter.js'
import type { Harness } from './player/main.js'
import { startServer, type TestServer } from './server.js'
import { buildSite, wasmFolder } from './site.js'

let site: Awaited<ReturnType<typeof buildSite>>
let folder: string
let browser: Browser
let server: TestServer
let page: Page
let problems: string[]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fx-runtime-web-player-'))
  const bundle = (name: string) => join(folder, name)
  await writeInverter(bundle('whole'), { crop: 'stretch' })
  await writeInverter(bundle('square'), { crop: 'centre-square' })
  await writeInverter(bundle('face'), { crop: 'face', face: { scale: 1.6, raise: 0 } })
  const camera = join(folder, 'camera.y4m')
  await writeFile(camera, fakeCamera())
  const flags = [`--use-file-for-fake-video-capture=${camera}`, '--js-flags=--expose-gc']
  ;[site, browser] = await Promise.all([buildSite(new URL('./player', import.meta.url)), launchChromium(flags)])
  server = await startServer({ '/': site.folder, '/wasm/': wasmFolder(), '/bundles/': folder }, true)
}, 120_000)

afterAll(async () => {
  await browser?.close()
  await Promise.all([server?.close(), site?.remove()])
  await rm(folder, { recursive: true, force: true })
})

beforeEach(async () => {
  page = await browser.newPage()
  problems = []
  // Uncaught errors and unhandled rejections, and frames that the collector had to close.
  page.on('pageerror', error => problems.push(error.message))
  page.on('console', message => {
    if (/garbage collected/.test(message.text())) problems.push(message.text())
  })
  await page.goto(`${server.url}/index.html`)
  await page.waitForFunction(() => 'harness' in globalThis)
})

afterEach(async () => {
  await page.close()
  expect(problems).toEqual([])
})

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

const left = [200, 80, 40]
const right = [20, 160, 240]
const negative = (colour: readonly number[]) => colour.map(value => 255 - value)

/** Colours that are these, but for rounding and what a video codec or a colour space does. */
const colours = (actual: readonly (readonly number[])[] | undefined, expected: number[][], tolerance = 3): void => {
  const worst = expected.flatMap((colour, i) => colour.map((value, j) => Math.abs(value - (actual?.[i]?.[j] ?? 999))))
  expect(Math.max(...worst), JSON.stringify({ actual, expected })).toBeLessThanOrEqual(tolerance)
}

const inverted = [negative(left), negative(right)]

describe.each([
  ['a worker', true],
  ['the page', false],
])('in %s', (_, worker) => {
  test('every source plays', async () => {
    const painted = await call('playSources', worker, [])
    expect(Object.keys(painted)).toHaveLength(10)
    for (const [kind, actual] of Object.entries(painted)) colours(actual, inverted, /Video|Media/.test(kind) ? 12 : 3)
  })

  test('parameters, split, mirror and size change with the next frame', async () => {
    const { seen, errors } = await call('changeLooks', worker)
    const grey = [128, 128, 128]
    colours(seen.effect, inverted)
    colours(seen.none, [left, right])
    colours(seen.half, [grey, grey])
    colours(seen['effect again'], inverted)
    colours(seen.mixed, [grey, grey])
    colours(seen.split, [left, negative(right)])
    expect(Math.min(...seen.line![0]!)).toBeGreaterThan(200)
    colours(seen.mirrored, [negative(right), negative(left)])
    colours(seen.resized, [negative(right), negative(left)])
    colours(seen['2d'], inverted)
    expect(errors).toEqual(['invalid-argument', 'invalid-argument', 'invalid-argument'])
  })

  test('effects are switched without a black frame', async () => {
    const result = await call('switchEffects', worker)
    colours(result.before, inverted)
    colours(result.after, [left, right])
    expect(result.darkest).toBeGreaterThan(150)
    expect(result).toMatchObject({ used: true, overtaken: false, again: true, late: false })
  })

  test('faces are followed, and a picture without one stays as it is', async () => {
    const result = await call('followFaces', worker)
    colours(result.seen.faces, [negative(left), right, negative(right)])
    colours(result.seen.none, [left, right, right])
    colours(result.seen.found, [left, right, negative(right)])
    colours(result.seen.square, [left, negative(left), negative(right), right])
    expect(result).toMatchObject({ crop: 'face', plain: 'centre-square', most: 1, failure: 'no detector' })
    expect(result.detect).toBeGreaterThan(15)
    expect(result.reasons).toEqual(['running started', 'waiting no-face', 'running face-found'])
    expect(result.last.at(-1)).toMatchObject({ kind: 'failed', message: 'no detector' })
  })

  test('a camera plays, and in a mirror', async () => {
    const { plain, mirrored } = await call('playCamera', worker)
    const [dark, bright] = [plain![0]![0], plain![1]![0]]
    expect(dark - bright).toBeGreaterThan(90)
    colours(
      mirrored,
      [...plain!].reverse().map(colour => [...colour]),
      8,
    )
  })

  test('quality falls to the budget through smaller students, whose tensors go', async () => {
    const { before, during, after, told, changes, colours: painted, frameRate } = await call('adapt', worker)
    expect(changes.map(({ to }) => to.size.width).slice(0, 2)).toEqual([16, 8])
    expect(changes[0]).toMatchObject({ from: { size: { width: 32, height: 32 }, detectEvery: 1 } })
    expect(changes[0]!.reason).toMatch(/ms or more, allowed are 0.0 ms/)
    expect(told).toBe(changes.length)
    expect(frameRate).toBe(changes.at(-1)!.to.frameRate)
    colours(painted, inverted)
    expect(during.tensors).toBeGreaterThan(before.tensors)
    expect(after).toEqual(before)
    expect(before.workers).toBe(worker ? 1 : 0)
  })

  test('the canvas is a track that ends with the player', async () => {
    const { shown, ...rest } = await call('trackOf', worker)
    colours(shown, inverted, 12)
    expect(rest).toEqual({ live: 'live', ended: 'ended', code: 'unsupported' })
  })

  test('stopping at any moment leaves nothing', async () => {
    expect(await call('stopAnywhere', worker)).toEqual({ collected: true, left: 0 })
    await expect.poll(() => page.workers().length).toBe(0)
  })
})

test.each([
  [['MediaStreamTrackProcessor']],
  [['MediaStreamTrackProcessor', 'requestVideoFrameCallback']],
  [['MediaStreamTrackProcessor', 'VideoFrame']],
])('videos play without %j', async lacking => {
  const painted = await call('playSources', true, lacking)
  expect(Object.keys(painted).length).toBeGreaterThanOrEqual(3)
  for (const actual of Object.values(painted)) colours(actual, inverted, 12)
})

test('a video that has no picture for a moment plays on', async () => {
  const { refused, painted } = await call('blindMoments')
  expect(refused).toBe(2)
  colours(painted, inverted, 12)
})

test('streams end the player, stills rest, what is stopped is released', async () => {
  expect(await call('endOfSources')).toEqual({ streamed: 5, painted: 1, locked: false })
})

test('of frames that come too fast the newest is shown', async () => {
  const { seen, dropped, frames } = await call('newestWins')
  expect(frames).toBeGreaterThanOrEqual(20)
  expect(dropped).toBeGreaterThan(0)
  for (const [i, value] of seen.entries()) if (i > 0) expect((value - seen[i - 1]! + 256) % 256).toBeLessThan(128)
})

test('a still face is looked for once', async () => {
  const { after, ...rest } = await call('stillFace')
  colours([after], [negative(left)])
  expect(rest).toEqual({ calls: 1, frames: 2 })
})

test.each([0, 0.3, -1.2, Math.PI])('a crop turned by %f comes back to its place, its edge fading', async angle => {
  const { worst, across } = await call('warpBack', angle)
  expect(worst).toBeLessThanOrEqual(4)
  expect(across[0]).toBeCloseTo(1, 1)
  expect(across[22]).toBeCloseTo(1, 1)
  expect(across[28]).toBeGreaterThan(0.2)
  expect(across[28]).toBeLessThan(0.8)
  expect(across[32]).toBeLessThan(0.1)
})

test('the next frame of a camera is its newest, however long the last one took', async () => {
  expect(await call('takeSlowly')).toBeGreaterThan(350)
})

test('why there is no camera is told', async () => {
  expect(await call('cameraErrors')).toEqual({
    NotAllowedError: 'unsupported refused',
    NotFoundError: 'not-found none',
    NotReadableError: 'service-failed in-use',
    OverconstrainedError: 'not-found unknown-device',
    OddError: 'service-failed unknown',
    unknown: 'not-found unknown-device',
    aborted: 'aborted undefined',
    insecure: 'unsupported insecure',
  })
})

test('a camera that is lost comes back, and is switched', async () => {
  const { states, changes, ...rest } = await call('cameraComesAndGoes')
  expect(rest).toEqual({
    idle: 0,
    still: 'lost',
    switched: { another: true, ended: 'ended' },
    wrong: 'not-found unknown-device',
    devices: ['videoinput'],
    tracks: ['ended', 'ended'],
  })
  expect(changes).toEqual(['lost', 'live', 'live', 'lost', 'live', 'stopped'])
  expect(states).toEqual([
    'running started',
    'waiting camera-lost',
    'running camera-returned',
    'waiting camera-lost',
    'running camera-returned',
  ])
})

test('an engine that dies is left for the next', async () => {
  const { colours: painted, message, ...rest } = await call('loseContext')
  expect(rest).toEqual({ asChosen: true, first: 'webgl', engine: 'wasm' })
  expect(message).toMatch(/wasm/)
  colours(painted, inverted)
})

test('stats tell of every stage, and failures are told', async () => {
  const { stats, infos, failure, told } = await call('statsOf')
  expect(stats).toMatchObject({ engine: 'wasm', threads: 1, crop: 'stretch', memory: { workers: 1 } })
  expect(stats.frames).toBeGreaterThanOrEqual(10)
  expect(stats.memory.tensors).toBeGreaterThan(0)
  expect(stats.memory.bytes).toBeGreaterThan(0)
  const { detect, total, ...others } = stats.stages
  expect(detect.p50Ms).toBe(0)
  for (const { p50Ms, p95Ms } of Object.values(others)) {
    expect(p95Ms).toBeGreaterThanOrEqual(p50Ms)
    expect(total.p95Ms).toBeGreaterThanOrEqual(p50Ms)
  }
  expect(stats.quality).toMatchObject({ size: { width: 32, height: 32 }, detectEvery: 1, changes: [] })
  expect(infos).toEqual(['running started'])
  expect([failure, told]).toEqual(['the stream broke', 'failed'])
})
