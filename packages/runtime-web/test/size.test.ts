import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build, type Plugin, type Rollup } from 'vite'
import { beforeAll, expect, test } from 'vitest'

const external = /^@(tensorflow|litertjs)\/|^react$/
const modules = new Set<string>()
const imports = new Set<string>()
const entries = { page: 'index', element: 'element/index', hook: 'react/index' }
/** What a page downloads at once, by entry, what it adds to run without a worker, and the worker's script; bytes, gzipped, engines aside. */
const sizes: Record<string, number> = {}
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
      lib: {
        entry: Object.fromEntries(
          Object.entries(entries).map(([name, path]) => [
            name,
            fileURLToPath(new URL(`../src/${path}.ts`, import.meta.url)),
          ]),
        ),
        formats: ['es'],
      },
      rollupOptions: { external },
    },
  })
  const { output } = (result as Rollup.RollupOutput[])[0]!
  const chunks = output.filter(file => file.type === 'chunk')
  const sizeOf = (names: Set<string>): number =>
    chunks.reduce((sum, { fileName, code }) => sum + (names.has(fileName) ? gzipSync(code).length : 0), 0)
  const reach = (name: string, reached = new Set<string>()): Set<string> => {
    if (external.test(name) || reached.has(name)) return reached
    reached.add(name)
    for (const next of chunks.find(chunk => chunk.fileName === name)!.imports) reach(next, reached)
    return reached
  }
  for (const { isEntry, name, fileName } of chunks) if (isEntry) sizes[name] = sizeOf(reach(fileName))
  const atOnce = new Set(chunks.flatMap(({ isEntry, fileName }) => (isEntry ? [...reach(fileName)] : [])))
  later = sizeOf(new Set(chunks.map(({ fileName }) => fileName).filter(name => !atOnce.has(name))))
  for (const file of output) if (file.type === 'asset') worker += gzipSync(file.source).length
})

test('no training code, no layers, nothing of Node ships', () => {
  expect([...modules].some(id => id.includes('runtime-web/src/worker.ts'))).toBe(true)
  const forbidden =
    /tfjs-layers|packages\/(distill|losses|unet-student|mobilenet-encoder|teacher-adapters|export)\/|backend\/src\/training|__vite-browser-external/
  expect([...modules, ...imports].filter(id => forbidden.test(id))).toEqual([])
  const allowed = /^react$|^@tensorflow\/tfjs-(core|converter|backend-(wasm|cpu|webgl|webgpu))$|^@litertjs\/core$/
  expect([...imports].filter(id => !allowed.test(id))).toEqual([])
})

test('the page carries 13 kB; with the worker, or with all of it in the page, it is 30 kB', () => {
  const { page, element, hook } = sizes as { page: number; element: number; hook: number }
  expect(page).toBeGreaterThan(1000)
  expect(page).toBeLessThanOrEqual(13_000)
  for (const rest of [worker, later]) {
    expect(rest).toBeGreaterThan(5000)
    expect(page + rest).toBeLessThanOrEqual(30_000)
  }
  // The same, and more around it.
  expect(element).toBeGreaterThan(page)
  expect(element).toBeLessThanOrEqual(22_500)
  expect(hook).toBeGreaterThan(page)
  expect(hook).toBeLessThanOrEqual(16_500)
})
