import { cp, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { build, type PreviewServer, preview } from 'vite'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { launchChromium } from '../../../packages/runtime-web/test/chromium.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const wait = { timeout: 60_000 }

let folder: string
let server: PreviewServer
let browser: Browser
let context: BrowserContext
let page: Page
let url: string
let errors: string[]
/** Paths that the page and its workers have asked for. */
let asked: Set<string>

const serve = async (): Promise<void> => {
  server = await preview({
    root,
    logLevel: 'error',
    build: { outDir: join(folder, 'dist') },
    preview: { host: '127.0.0.1', port: 0 },
  })
  url = server.resolvedUrls!.local[0]!
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fx-example-web-'))
  process.env.FX_RUN = join(folder, 'run')
  // A run like that of npm start.
  await cp(join(root, 'public/effects/pink-hair-imagen'), join(folder, 'run/bundle'), { recursive: true })
  const options = {
    outDir: join(folder, 'dist'),
    emptyOutDir: true,
    reportCompressedSize: false,
    minify: 'esbuild',
  } as const
  await build({ root, logLevel: 'error', build: options })
  await serve()
  browser = await launchChromium()
})

afterAll(async () => {
  await browser?.close()
  await server?.close()
  await rm(folder, { recursive: true, force: true })
})

afterEach(() => context?.close())

/** Opens the page; without an effect in the address its own first one. */
const open = async (query = '', { reducedMotion = false } = {}): Promise<void> => {
  context = await browser.newContext({ reducedMotion: reducedMotion ? 'reduce' : 'no-preference' })
  page = await context.newPage()
  errors = []
  asked = new Set()
  page.on('pageerror', error => errors.push(error.message))
  context.on('request', request => {
    if (request.serviceWorker() === null) asked.add(new URL(request.url()).pathname)
  })
  await page.goto(url + query)
  await settled()
}

/** Waits until what was asked for is shown, or is known not to be had. */
const settled = () => page.locator('#views:not([aria-busy])').waitFor({ ...wait, state: 'attached' })
const problem = () => page.locator('#problem').textContent()
const words = () => page.locator('#words').textContent(wait)

/** The colours of a canvas in four columns, as averages of its rows. */
const columns = (view = 0): Promise<number[][]> =>
  page.evaluate(i => {
    const canvas = document.querySelectorAll('.view canvas')[i] as HTMLCanvasElement
    const copy = new OffscreenCanvas(4, 1).getContext('2d')!
    copy.drawImage(canvas, 0, 0, 4, 1)
    const { data } = copy.getImageData(0, 0, 4, 1)
    return [0, 4, 8, 12].map(at => [...data.slice(at, at + 3)])
  }, view)

const apart = (a: readonly number[][], b: readonly number[][]): number =>
  Math.max(...a.flatMap((colour, i) => colour.map((value, j) => Math.abs(value - b[i]![j]!))))

/** Bytes of a file of the build, 0 for what is none. */
const sizeOf = async (path: string): Promise<number> => {
  const file = await stat(join(folder, 'dist', path)).catch(() => undefined)
  return file?.isFile() ? file.size : 0
}

/** Moves the slider of the split view. */
const split = async (percent: number): Promise<void> => {
  await page.locator('#split').fill(String(percent))
}

test('every effect plays, beside each other too, and the words say how fast', async () => {
  await open()
  const names = await page.locator('#effects .card b').allTextContents()
  expect(names.slice(0, 4)).toEqual(['Painter', 'Pink hair by StyleGAN2', 'Pink hair by Imagen', 'Side by side'])
  await expect.poll(() => page.locator('#effects .card b').last().textContent(), wait).toBe('Your run')
  for (const name of [...names.slice(1, 4), 'Your run']) {
    await page.getByRole('radio', { name }).check({ force: true })
    await settled()
    expect(await problem()).toBe('')
    expect(await page.locator('.view').count()).toBe(name === 'Side by side' ? 2 : 1)
  }
  await expect.poll(words, wait).toMatch(/WebAssembly.*frames a second.*95 % within.*First frame \d+\.\d s after/)
  expect(await page.evaluate(() => performance.getEntriesByName('fx-first-frame').length)).toBe(1)
  expect(await page.locator('#plot canvas').count()).toBe(1)
  await page.getByRole('radio', { name: 'Side by side' }).check({ force: true })
  await settled()
  expect(await page.locator('.view figcaption').allTextContents()).toEqual(["StyleGAN2's student", "Imagen's student"])
  expect(await page.locator('#about').textContent()).toContain('one spec')
  // One worker for each student that is shown, none for those that were.
  const students = () => page.workers().filter(worker => worker.url().includes('/assets/worker-'))
  await expect.poll(() => students().length, wait).toBe(2)
  expect(errors).toEqual([])
})

test('a still sample is compared before and after, with less motion', async () => {
  await open('?effect=pink-hair-stylegan2', { reducedMotion: true })
  expect(await page.locator('#pause').textContent()).toBe('Play')
  await split(100)
  // The canvas follows with the next frame.
  await page.waitForTimeout(500)
  const before = await columns()
  await split(0)
  await expect.poll(async () => apart(before, await columns())).toBeGreaterThan(20)
  const after = await columns()
  await page.locator('#compare').uncheck()
  await expect.poll(async () => apart(after, await columns())).toBeLessThan(8)
  expect(await page.locator('#split').isVisible()).toBe(false)
  // This student takes no strength, so its answer is mixed with the picture.
  await page.getByRole('slider', { name: 'Strength' }).fill('0')
  await expect.poll(async () => apart(before, await columns())).toBeLessThan(8)
})

test('the camera plays, engines are switched, and a picture of one’s own', async () => {
  await open('?effect=pink-hair-imagen')
  await page.click('#camera')
  await settled()
  expect(await page.locator('#camera').getAttribute('aria-pressed')).toBe('true')
  expect(await page.locator('#pause').isVisible()).toBe(false)
  const notes = page.locator('#engines label')
  await expect.poll(() => notes.nth(4).textContent()).toContain('no TensorFlow Lite file')
  expect(await page.getByRole('radio', { name: /^LiteRT/ }).isDisabled()).toBe(true)
  await page.getByRole('radio', { name: /^WebAssembly/ }).check()
  await settled()
  expect(await problem()).toBe('')
  await expect.poll(words).toContain('WebAssembly')

  const png = await page.evaluate(async () => {
    const context = new OffscreenCanvas(96, 64).getContext('2d')!
    context.fillStyle = '#3366cc'
    context.fillRect(0, 0, 96, 64)
    const bytes = new Uint8Array(await (await context.canvas.convertToBlob()).arrayBuffer())
    return [...bytes]
  })
  await page.setInputFiles('#file', { name: 'mine.png', mimeType: 'image/png', buffer: Buffer.from(png) })
  await settled()
  expect(await page.locator('#picture').getAttribute('aria-pressed')).toBe('true')
  await split(100)
  await expect.poll(async () => apart(await columns(), Array(4).fill([0x33, 0x66, 0xcc]))).toBeLessThan(8)
  await page.setInputFiles('#file', { name: 'not.png', mimeType: 'image/png', buffer: Buffer.from('no') })
  await expect.poll(problem).toContain('not.png is not a picture')
  expect(await page.locator('#picture').getAttribute('aria-pressed')).toBe('true')
  expect(errors).toEqual([])
})

test('what is missing or refused is explained, and what was shown stays', async () => {
  await open('?bundle=/run/nowhere/')
  expect(await problem()).toContain('Bundle of the address is not there')
  await page.getByRole('radio', { name: 'Pink hair by Imagen' }).check({ force: true })
  await settled()
  expect(await page.locator('#problem').isVisible()).toBe(false)
  await page.evaluate(() => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', 'NotAllowedError'))
  })
  await page.click('#camera')
  await expect.poll(problem).toContain('The camera was not allowed')
  expect(await page.locator('#sample').getAttribute('aria-pressed')).toBe('true')
  expect(errors).toEqual([])
})

test('after one visit everything works without a network; a new build shows at once', async () => {
  await open()
  // As the files are; a server that compresses sends less. The tests' browser tells of no worker's sizes, but of its requests.
  const sizes = await Promise.all([...asked].map(path => sizeOf(path === '/' ? '/index.html' : path)))
  const kilobytes = sizes.reduce((sum, size) => sum + size, 0) / 1000
  expect(kilobytes).toBeGreaterThan(1500)
  expect(kilobytes).toBeLessThan(2500)
  await page.evaluate(async () => void (await navigator.serviceWorker.ready))
  await context.setOffline(true)
  await page.reload()
  await settled()
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true)
  for (const name of ['Pink hair by StyleGAN2', 'Side by side', 'Painter']) {
    await page.getByRole('radio', { name }).check({ force: true })
    await settled()
    expect(await problem()).toBe('')
  }
  await expect.poll(words, wait).toContain('frames a second')
  await page.getByRole('radio', { name: /^LiteRT/ }).click()
  await expect.poll(problem, wait).toContain('without a network')
  await expect.poll(() => page.getByRole('radio', { name: 'Automatic' }).isChecked()).toBe(true)

  await context.setOffline(false)
  const index = join(folder, 'dist/index.html')
  await writeFile(index, '<!doctype html><title>the next build</title>')
  await page.reload()
  expect(await page.title()).toBe('the next build')
})
