import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { encodePng } from '@fx/teacher-adapters'
import type { Browser, Page } from 'playwright-core'
import { createServer, type ViteDevServer } from 'vite'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { picture, size, writeTestBundle } from '../../../packages/runtime-web/test/bundle.js'
import { launchChromium } from '../../../packages/runtime-web/test/chromium.js'

let run: string
let student: Awaited<ReturnType<typeof writeTestBundle>>
let server: ViteDevServer
let browser: Browser
let page: Page

const samples = [1, 2].map(seed => picture(seed))

beforeAll(async () => {
  run = await mkdtemp(join(tmpdir(), 'fx-example-web-'))
  student = await writeTestBundle(join(run, 'bundle'))
  await mkdir(join(run, 'samples'))
  for (const [i, rgba] of samples.entries()) {
    const data = Uint8Array.from(rgba.filter((_, j) => j % 4 !== 3))
    await writeFile(join(run, 'samples', `${i}.png`), encodePng({ width: size, height: size, data }))
  }
  await writeFile(join(run, 'samples', 'index.json'), JSON.stringify([{ input: '0.png' }, { input: '1.png' }]))
  process.env.FX_RUN = run
  server = await createServer({
    root: fileURLToPath(new URL('..', import.meta.url)),
    logLevel: 'error',
    cacheDir: join(run, '.vite'),
    server: { host: '127.0.0.1', port: 0 },
  })
  await server.listen()
  browser = await launchChromium()
})

afterAll(async () => {
  await browser?.close()
  await server?.close()
  await rm(run, { recursive: true, force: true })
})

afterEach(() => page?.close())

const open = async (query = ''): Promise<void> => {
  page = await browser.newPage()
  const { port } = server.httpServer!.address() as { port: number }
  await page.goto(`http://127.0.0.1:${port}/${query}`)
}

test('the portraits have the pixels of the LayersModel in Node, and the camera plays', async () => {
  await open()
  await page.locator('.compare').nth(1).waitFor({ timeout: 60_000 })
  expect(await page.locator('#name').textContent()).toBe('Test')
  const shown = await page.locator('.compare .after').evaluateAll(canvases =>
    canvases.map(canvas => {
      const { width, height } = canvas as HTMLCanvasElement
      return Array.from((canvas as HTMLCanvasElement).getContext('2d')!.getImageData(0, 0, width, height).data)
    }),
  )
  expect(shown.length).toBe(samples.length)
  for (const [i, rgba] of samples.entries()) {
    const expected = student.answer(rgba)
    const actual = shown[i]!.filter((_, j) => j % 4 !== 3)
    expect(actual.length).toBe(expected.length)
    expect(actual.reduce((worst, value, j) => Math.max(worst, Math.abs(value - expected[j]!)), 0)).toBeLessThanOrEqual(
      2,
    )
  }

  await page.click('#camera')
  await expect.poll(() => page.locator('#latency').textContent(), { timeout: 20_000 }).toMatch(/frames a second.*p50/)
  expect(await page.locator('#problem').isVisible()).toBe(false)
  await page.click('#camera')
  await expect.poll(() => page.locator('#stage').isVisible()).toBe(false)
})

test('a run that is not there is explained', async () => {
  await open('?bundle=/run/nowhere/')
  await page.locator('#problem').waitFor({ timeout: 60_000 })
  expect(await page.locator('#problem').textContent()).toContain('npm start')
  expect(await page.locator('#content').isVisible()).toBe(false)
})
