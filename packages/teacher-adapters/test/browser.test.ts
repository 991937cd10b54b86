import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Browser, chromium, type Page as Tab } from 'playwright-core'
import { build } from 'vite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Page } from './browser/page.js'

const fixtures = fileURLToPath(new URL('../fixtures/stylegan2/', import.meta.url))
let folder: string
let server: Server
let browser: Browser
let tab: Tab

const types: Record<string, string> = { '/': 'text/html', '/page.js': 'text/javascript' }
const html = '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>'

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fx-stylegan2-'))
  await build({
    root: fileURLToPath(new URL('browser/', import.meta.url)),
    configFile: false,
    logLevel: 'error',
    resolve: { conditions: ['@fx/source', 'module', 'browser'] },
    build: {
      outDir: folder,
      target: 'es2022',
      minify: false,
      lib: { entry: 'page.ts', formats: ['es'], fileName: 'page' },
      rollupOptions: { output: { inlineDynamicImports: true } },
    },
  })
  server = createServer(async ({ url = '/' }, response) => {
    const source = url.endsWith('.safetensors') ? fixtures : folder
    const body = url === '/' ? html : await readFile(join(source, basename(url))).catch(() => undefined)
    response.writeHead(body ? 200 : 404, { 'content-type': types[url] ?? 'application/octet-stream' }).end(body)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const which = spawnSync('which', ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'])
  const executablePath = process.env.CHROMIUM_PATH || which.stdout.toString().split('\n')[0]
  if (!executablePath) throw new Error('No Chromium found: apt-get install chromium, or set CHROMIUM_PATH')
  browser = await chromium.launch({
    executablePath,
    args: [
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      // Without a graphics card both interfaces run on the processor.
      '--enable-unsafe-swiftshader',
      '--enable-unsafe-webgpu',
      '--enable-features=Vulkan',
      '--use-webgpu-adapter=swiftshader',
      // Chromium refuses its sandbox to root, which is who runs containers.
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
    ],
  })
  tab = await browser.newPage()
  tab.on('pageerror', error => console.error(`page: ${error.message}`))
  await tab.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  await tab.waitForFunction('globalThis.page')
}, 600_000)

afterAll(async () => {
  await browser?.close()
  server?.close()
  await rm(folder, { recursive: true, force: true })
})

const call = <Name extends keyof Page>(name: Name, backend: Parameters<Page[Name]>[0]): ReturnType<Page[Name]> =>
  tab.evaluate(`page.${name}('${backend}')`) as ReturnType<Page[Name]>

/** Those of the reference values, relative to 1 + the value. */
const tolerances = { w: 2e-5, img: 1e-4, d: 5e-5 }

const expectClose = async (backend: 'webgl' | 'webgpu') => {
  const { errors, ...report } = await call('compare', backend)
  expect(report).toEqual({ backend, tensorsLeft: 0 })
  expect(Object.keys(errors)).toHaveLength(6)
  for (const [name, error] of Object.entries(errors)) {
    expect(error, name).toBeLessThan(tolerances[name.split('_')[0] as keyof typeof tolerances])
  }
}

test('the reference networks on webgl', async () => {
  expect(await call('device', 'webgl')).toMatchObject({ available: true })
  await expectClose('webgl')
}, 600_000)

test('the reference networks on webgpu, where there is an adapter', async () => {
  const { available, name } = await call('device', 'webgpu')
  if (available) await expectClose('webgpu')
  else console.warn(`This Chromium has no WebGPU adapter (${name}), so the networks were not run on webgpu.`)
}, 600_000)
