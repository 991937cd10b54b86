import { createReadStream, existsSync, statSync } from 'node:fs'
import { extname, join, normalize, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Connect, defineConfig, type Plugin } from 'vite'

/** The run to show: the quickstart's, or any other folder of a run. */
const repository = fileURLToPath(new URL('../..', import.meta.url))
const run = resolve(repository, process.env.FX_RUN ?? 'out/quickstart')

/** Serves the folder of the run under /run, and 404 (not a page) for what is not there. */
const serveRun = (): Plugin => {
  const middleware: Connect.NextHandleFunction = (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname))
    const file = join(run, path)
    if (!file.startsWith(run) || !existsSync(file) || !statSync(file).isFile()) {
      response.writeHead(404).end()
      return
    }
    const types: Record<string, string> = { '.json': 'application/json', '.png': 'image/png' }
    response.writeHead(200, {
      'content-type': types[extname(file)] ?? 'application/octet-stream',
      'cache-control': 'no-cache',
    })
    createReadStream(file).pipe(response)
  }
  return {
    name: 'serve-run',
    configureServer: server => void server.middlewares.use('/run', middleware),
    configurePreviewServer: server => void server.middlewares.use('/run', middleware),
  }
}

// Threads in wasm need a cross-origin isolated page.
const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}

export default defineConfig({
  plugins: [serveRun()],
  resolve: { conditions: ['@fx/source', 'module', 'browser', 'development|production'] },
  // The worker of @fx/runtime-web is a module with lazy parts, which the classic format cannot hold.
  worker: { format: 'es' },
  server: { headers },
  preview: { headers },
  build: { target: 'es2022', chunkSizeWarningLimit: 4096 },
  // Named so that the first visit does not reload when vite finds them in the worker.
  optimizeDeps: {
    include: ['@tensorflow/tfjs-core', '@tensorflow/tfjs-converter', '@tensorflow/tfjs-backend-wasm'],
  },
})
