import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { createElement } from 'react'
import { renderToString } from 'react-dom/server'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { useFxEffect } from '../src/react/index.js'
import { launchChromium } from './chromium.js'
import { fakeCamera } from './fake-camera.js'
import { writeInverter } from './player/inverter.js'
import type { ReactHarness } from './react/main.js'
import { startServer, type TestServer } from './server.js'
import { buildSite, wasmFolder } from './site.js'

let site: Awaited<ReturnType<typeof buildSite>>
let folder: string
let browser: Browser
let server: TestServer
let page: Page
let problems: string[]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fx-runtime-web-react-'))
  await writeInverter(join(folder, 'whole'), { crop: 'stretch' })
  await writeInverter(join(folder, 'square'), { crop: 'centre-square' })
  const camera = join(folder, 'camera.y4m')
  await writeFile(camera, fakeCamera())
  const flags = [`--use-file-for-fake-video-capture=${camera}`]
  ;[site, browser] = await Promise.all([buildSite(new URL('./react/', import.meta.url)), launchChromium(flags)])
  server = await startServer({ '/': site.folder, '/wasm/': wasmFolder(), '/bundles/': folder }, true)
})

afterAll(async () => {
  await browser?.close()
  await Promise.all([server?.close(), site?.remove()])
  await rm(folder, { recursive: true, force: true })
})

beforeEach(async () => {
  problems = []
  page = await browser.newPage()
  page.on('pageerror', error => problems.push(error.message))
  await page.goto(`${server.url}/index.html`)
  await page.waitForFunction(() => 'harness' in globalThis)
})

afterEach(async () => {
  await page.close()
  expect(problems).toEqual([])
})

const call = <Name extends Exclude<keyof ReactHarness, 'version'>>(
  name: Name,
  ...given: Parameters<ReactHarness[Name]>
): Promise<ReturnType<ReactHarness[Name]>> =>
  page.evaluate(
    ([name, given]) =>
      (globalThis as unknown as { harness: Record<string, (...given: unknown[]) => never> }).harness[name]!(...given),
    [name, given as unknown[]] as const,
  )

const looks = (left: 'dark' | 'bright', right: 'dark' | 'bright'): Promise<unknown> =>
  expect
    .poll(async () => (await call('greys')).map(grey => (grey < 128 ? 'dark' : 'bright')), { timeout: 20_000 })
    .toEqual([left, right])

test('in strict mode it starts once, follows its options, and frees everything', async () => {
  await call('render', {})
  await looks('bright', 'dark')
  expect(await call('cameras')).toEqual({ asked: 1, live: 1 })
  expect(page.workers()).toHaveLength(1)
  expect(await call('state')).toBe('started')
  expect((await call('stats'))!.engine).toBe('wasm')
  expect(await call('frames')).toBeGreaterThan(0)

  await call('render', { mirror: true })
  await looks('dark', 'bright')
  await call('render', { parameters: { strength: 0 } })
  await looks('dark', 'bright')
  // Without rendering; then it stays through a rendering that changes something else.
  await call('set', { strength: 1 })
  await looks('bright', 'dark')
  await call('render', { parameters: { strength: 0 }, mirror: true })
  await looks('dark', 'bright')

  await call('render', { src: '/bundles/square/' })
  await expect.poll(() => call('state'), { timeout: 20_000 }).toBe('effect-changed')
  await expect.poll(() => page.workers().length).toBe(1)
  expect(await call('cameras')).toEqual({ asked: 1, live: 1 })

  await call('render', { playing: false })
  await expect.poll(() => call('state')).toBe('stopped')
  expect(await call('cameras')).toEqual({ asked: 1, live: 0 })
  await call('render', {})
  await looks('bright', 'dark')
  await call('unmount')
  await expect.poll(() => page.workers().length).toBe(0)
  expect((await call('cameras')).live).toBe(0)
})

test('what failed rests through renderings, until it is tried again', async () => {
  await call('refuse', true)
  await call('render', {})
  await expect.poll(() => call('state')).toBe('camera-refused')
  await call('render', { mirror: true })
  expect(await call('cameras')).toEqual({ asked: 1, live: 0 })
  await call('refuse', false)
  await call('retry')
  await looks('dark', 'bright')
})

test('a server renders the canvas alone', () => {
  const Page = () => createElement('canvas', { ref: useFxEffect({ src: '/effect/', source: 'camera' }).ref })
  expect(renderToString(createElement(Page))).toBe('<canvas></canvas>')
})
