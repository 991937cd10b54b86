import { cp } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { defineConfig } from 'tsup'

const wasm = dirname(
  createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm'),
)
const files = ['', '-simd', '-threaded-simd'].map(kind => `tfjs-backend-wasm${kind}.wasm`)

/** The script tag: all that the element needs, tfjs included, to be served as it is. */
export default defineConfig(({ outDir = 'dist/script' }) => ({
  entry: { 'fx-effect': 'src/script/fx-effect.ts', worker: 'src/worker.ts' },
  outDir,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  noExternal: [/./],
  minify: true,
  splitting: true,
  esbuildOptions: options => {
    options.conditions = ['@fx/source']
  },
  onSuccess: async () => {
    for (const file of files) await cp(join(wasm, file), join(outDir, 'wasm', file))
  },
}))
