import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchChromium } from './chromium.js'
import { writeInverter } from './player/inverter.js'
import { startServer, type TestServer } from './server.js'
import { buildSite, wasmFolder } from './site.js'
import type { Harness } from './soak/main.js'

/** Most bytes by which all heaps may have grown in the last 7000 frames or more: 200 a frame, no more than a few objects. */
const mostGrowth = 1_400_000

let site: Awaited<ReturnType<typeof buildSite>>
let folder: string
let browser: Browser
/** The same browser, but tabs can be hidden: Playwright lets those that it opens believe that they are seen. */
let plain: Browser
let server: TestServer

/** A y4m of 64 x 48 in which the light changes, at 240 frames in a second. */
const fakeCamera = (): Buffer => {
  const frame = (luma: number) =>
    Buffer.concat([Buffer.from('FRAME\n'), Buffer.alloc(64 * 48, luma), Buffer.alloc(2 * 32 * 24, 128)])
  const header = 'YUV4MPEG2 W64 H48 F240:1 Ip A1:1 C420jpeg\n'
  return Buffer.concat([Buffer.from(header), ...Array.from({ length: 16 }, (_, i) => frame(40 + 10 * i))])
}

const freePort = async (): Promise<number> => {
  const probe = createServer()
  await new Promise<void>(resolve => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as AddressInfo
  await new Promise(resolve => probe.close(resolve))
  return port
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fx-runtime-web-soak-'))
  await writeInverter(join(folder, 'whole'), { crop: 'stretch' })
  await writeInverter(join(folder, 'square'), { crop: 'centre-square' })
  const camera = join(folder, 'camera.y4m')
  await writeFile(camera, fakeCamera())
  const port = await freePort()
  const flags = [
    `--use-file-for-fake-video-capture=${camera}`,
    `--remote-debugging-port=${port}`,
    '--js-flags=--expose-gc',
    // Measures memory when asked, not at the next time that the collector comes by.
    '--enable-blink-features=ForceEagerMeasureMemory',
  ]
  ;[site, browser] = await Promise.all([buildSite(new URL('./soak', import.meta.url)), launchChromium(flags)])
  plain = await chromium.connectOverCDP(`http://127.0.0.1:${port}`, { noDefaults: true })
  server = await startServer({ '/': site.folder, '/wasm/': wasmFolder(), '/bundles/': folder }, true)
}, 240_000)

afterAll(async () => {
  await plain?.close()
  await browser?.close()
  await Promise.all([server?.close(), site?.remove()])
  await rm(folder, { recursive: true, force: true })
})

test('10,000 frames leave nothing behind, whatever happens meanwhile', async () => {
  const context = plain.contexts()[0]!
  const page = await context.newPage()
  const problems: string[] = []
  // Uncaught errors and unhandled rejections.
  page.on('pageerror', error => problems.push(error.message))
  page.on('console', message => {
    if (message.type() === 'error') problems.push(message.text())
  })
  const session = await context.newCDPSession(page)
  const { windowId } = await session.send('Browser.getWindowForTarget')
  await page.exposeFunction('setTab', async (state: 'hidden' | 'visible') => {
    const windowState = state === 'hidden' ? 'minimized' : 'normal'
    await session.send('Browser.setWindowBounds', { windowId, bounds: { windowState } })
    await page.waitForFunction(state => document.visibilityState === state, state, { polling: 10 })
  })
  /** As many as there are when those that were ended have gone. */
  await page.exposeFunction('countWorkers', async () => {
    let count: number
    do {
      count = page.workers().length
      await new Promise(resolve => setTimeout(resolve, 3000))
    } while (page.workers().length !== count)
    return count
  })
  await page.goto(`${server.url}/index.html`)
  await page.waitForFunction(() => 'harness' in globalThis)
  const { begin, end, settledHeap, left, rounds, states, engines } = await page.evaluate(() =>
    (globalThis as unknown as { harness: Harness }).harness.soak(),
  )

  expect(problems).toEqual([])
  expect(begin.frame).toBeGreaterThanOrEqual(100)
  expect(end.frame).toBeGreaterThanOrEqual(10_000)
  const { engine, tensors, textures, contexts, workers } = begin
  expect(end).toMatchObject({ engine, tensors, textures, contexts, workers })
  expect([engine, contexts]).toEqual(['webgl', 1])
  expect(Math.min(tensors, textures, workers)).toBeGreaterThan(0)
  // One waits, one is on its way.
  expect(end.frames).toBeLessThanOrEqual(2)
  expect(end.heap - settledHeap).toBeLessThan(mostGrowth)
  expect(left).toEqual({ tensors: 0, textures: 0, contexts: 0, frames: 0 })
  // All that should happen did.
  expect(engines).toEqual(Array(rounds).fill(['wasm', 'webgl']).flat())
  const losses = rounds + Math.floor(rounds / 2)
  expect(states).toEqual({
    started: 1,
    'engine-changed': rounds,
    'camera-lost': losses,
    'camera-returned': losses,
  })
}, 600_000)
