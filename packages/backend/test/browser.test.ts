import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Browser, chromium } from 'playwright-core'
import { build } from 'vite'
import { afterAll, beforeAll, expect, test } from 'vitest'

const wasmFolder = fileURLToPath(new URL('../../../node_modules/@tensorflow/tfjs-backend-wasm/dist/', import.meta.url))
const warnings: string[] = []
let folder: string
let browser: Browser

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fx-backend-'))
  await build({
    root: fileURLToPath(new URL('browser/', import.meta.url)),
    configFile: false,
    logLevel: 'silent',
    resolve: { conditions: ['@fx/source', 'module', 'browser'] },
    build: {
      outDir: folder,
      target: 'es2022',
      minify: false,
      lib: { entry: 'page.ts', formats: ['es'], fileName: 'page' },
      rollupOptions: { onwarn: warning => warnings.push(warning.message) },
    },
  })
  const which = spawnSync('which', ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'])
  const executablePath = process.env.CHROMIUM_PATH || which.stdout.toString().split('\n')[0]
  if (!executablePath) throw new Error('No Chromium found: apt-get install chromium, or set CHROMIUM_PATH')
  // Chromium refuses its sandbox to root, which is who runs containers.
  const args = ['--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update']
  browser = await chromium.launch({ executablePath, args: process.getuid?.() === 0 ? [...args, '--no-sandbox'] : args })
})

afterAll(async () => {
  await browser?.close()
  await rm(folder, { recursive: true, force: true })
})

/** Serves the page and tfjs's binaries, and returns what an expression is there. */
const evaluate = async <T>(headers: Record<string, string>, expression: string): Promise<T> => {
  const server: Server = createServer(async ({ url = '/' }, response) => {
    const type = url.endsWith('.wasm') ? 'application/wasm' : url.endsWith('.js') ? 'text/javascript' : 'text/html'
    const source = url.startsWith('/wasm/') ? wasmFolder : folder
    const html = '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>'
    const body = url === '/' ? html : await readFile(join(source, basename(url))).catch(() => undefined)
    response.writeHead(body ? 200 : 404, { 'content-type': type, ...headers }).end(body)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const page = await browser.newPage()
  try {
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
    await page.waitForFunction('globalThis.report')
    return (await page.evaluate(expression)) as T
  } finally {
    await page.close()
    server.close()
  }
}

const reportFrom = (headers: Record<string, string>) =>
  evaluate<{ prepared: { threads: number; reason: string } }>(headers, 'report()')

const isolated = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' }
const gradient = [9, 12, 9, 12, 16, 12, 9, 12, 9]

test('a bundler takes the package without a warning', () => {
  expect(warnings.filter(warning => !warning.includes('node_modules'))).toEqual([])
})

test('two threads start on a cross-origin isolated page, and nothing is left changed', async () => {
  expect(await reportFrom(isolated)).toMatchObject({
    prepared: { name: 'wasm', threads: 2, simd: true },
    gradient,
    coresUnchanged: true,
  })
})

test('elsewhere one thread does, and the report says why', async () => {
  const report = await reportFrom({})
  expect(report).toMatchObject({ prepared: { name: 'wasm', threads: 1, simd: true }, gradient })
  expect(report.prepared.reason).toContain('cross-origin isolated')
})

const software = /software adapter, slow: .*SwiftShader/

test.each([
  ['wasm', 'stopped', /1 thread, SIMD/, /2 threads, SIMD/],
  ['webgl', 'stopped', software, software],
  ['webgl', 'lost', software, software],
] as const)('%s works again after it was %s', async (name, how, before, after) => {
  const working = (reason: RegExp) => ({ reason: expect.stringMatching(reason), sum: 512, tensors: 0 })
  const report = await evaluate<Record<'before' | 'after' | 'stopped' | 'lost', unknown>>(
    isolated,
    `restart('${name}', ${how === 'lost'})`,
  )
  expect(report).toMatchObject({ before: working(before), after: working(after), stopped: how === 'stopped' })
  if (name === 'webgl') expect(report.lost).toBe(true)
})

test('an adapter that computes on the CPU is taken only by name', async () => {
  expect(await evaluate({}, `refusal({ order: ['webgl'] })`)).toMatch(/webgl: .*software/)
  expect(await evaluate({}, `refusal({ backend: 'webgl' })`)).toMatch(/^Using webgl \(software adapter/)
})
