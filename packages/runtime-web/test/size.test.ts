import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build, type Plugin, type Rollup } from 'vite'
import { beforeAll, expect, test } from 'vitest'

const external = /^@(tensorflow|litertjs)\//
const modules = new Set<string>()
const imports = new Set<string>()
/** What a page downloads at once, what it adds to run without a worker, and the worker's script; bytes, gzipped, engines aside. */
let page = 0
let later = 0
let worker = 0

const collector = (): Plugin => ({
  name: 'collect',
  generateBundle: (_, bundle) => {
    for (const chunk of Object.values(bundle)) {
      if (chunk.type !== 'chunk') continue
      for (const id of Object.keys(chunk.modules)) modules.add(id)
      for (const id of [...chunk.imports, ...chunk.dynamicImports]) if (external.test(id)) imports.add(id)
    }
  },
})

beforeAll(async () => {
  const result = await build({
    configFile: false,
    logLevel: 'error',
    root: fileURLToPath(new URL('..', import.meta.url)),
    resolve: { conditions: ['@fx/source', 'module', 'browser', 'production'] },
    plugins: [collector()],
    worker: { format: 'es', plugins: () => [collector()], rollupOptions: { external } },
    build: {
      write: false,
      target: 'es2022',
      minify: 'esbuild',
      lib: { entry: fileURLToPath(new URL('../src/index.ts', import.meta.url)), formats: ['es'] },
      rollupOptions: { external },
    },
  })
  const { output } = (result as Rollup.RollupOutput[])[0]!
  const chunks = output.filter(file => file.type === 'chunk')
  const reachable = new Set<string>()
  const visit = (name: string): void => {
    if (external.test(name) || reachable.has(name)) return
    reachable.add(name)
    for (const next of chunks.find(chunk => chunk.fileName === name)!.imports) visit(next)
  }
  visit(chunks.find(chunk => chunk.isEntry)!.fileName)
  for (const chunk of chunks) {
    const size = gzipSync(chunk.code).length
    if (reachable.has(chunk.fileName)) page += size
    else later += size
  }
  for (const file of output) if (file.type === 'asset') worker += gzipSync(file.source).length
})

test('no training code, no layers, nothing of Node ships', () => {
  expect([...modules].some(id => id.includes('runtime-web/src/worker.ts'))).toBe(true)
  const forbidden =
    /tfjs-layers|packages\/(distill|losses|unet-student|mobilenet-encoder|teacher-adapters|export)\/|backend\/src\/training|__vite-browser-external/
  expect([...modules, ...imports].filter(id => forbidden.test(id))).toEqual([])
  const allowed = /^@tensorflow\/tfjs-(core|converter|backend-(wasm|cpu|webgl|webgpu))$|^@litertjs\/core$/
  expect([...imports].filter(id => !allowed.test(id))).toEqual([])
})

test('the page carries 13 kB; with the worker, or with all of it in the page, it is 30 kB', () => {
  expect(page).toBeGreaterThan(1000)
  expect(page).toBeLessThanOrEqual(13_000)
  for (const rest of [worker, later]) {
    expect(rest).toBeGreaterThan(5000)
    expect(page + rest).toBeLessThanOrEqual(30_000)
  }
})
