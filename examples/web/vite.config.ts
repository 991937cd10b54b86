import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'
import { effects } from './plugins/effects.js'
import { litert, litertPath } from './plugins/litert.js'
import { offline } from './plugins/offline.js'
import { serveRun } from './plugins/serve-run.js'

const root = fileURLToPath(new URL('.', import.meta.url))
/** The run to show beside the page's own effects: the quickstart's, or any other folder of a run. */
const run = resolve(root, '../..', process.env.FX_RUN ?? 'out/quickstart')

// Threads in wasm need a cross-origin isolated page.
const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}

export default defineConfig({
  plugins: [serveRun(run), effects(root), litert(), offline(root)],
  define: { LITERT_PATH: JSON.stringify(litertPath) },
  resolve: { conditions: ['@fx/source', 'module', 'browser', 'development|production'] },
  // The worker of @fx/runtime-web is a module with lazy parts, which the classic format cannot hold.
  worker: { format: 'es' },
  server: { headers },
  preview: { headers },
  build: { target: 'es2022', chunkSizeWarningLimit: 4096 },
  // Named so that the first visit does not reload when vite finds them in the worker.
  optimizeDeps: {
    include: [
      '@tensorflow/tfjs-core',
      '@tensorflow/tfjs-converter',
      '@tensorflow/tfjs-backend-wasm',
      '@tensorflow/tfjs-backend-webgl',
      '@tensorflow/tfjs-backend-webgpu',
      '@litertjs/core',
      'uplot',
    ],
  },
})
