import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'

/**
 * Builds a page with vite, as a consumer would build theirs, and gives the folder.
 *
 * @param page folder of its `index.html`. Default: the test page here.
 */
export const buildSite = async (
  page = new URL('./page', import.meta.url),
): Promise<{ folder: string; remove(): Promise<void> }> => {
  const folder = await mkdtemp(join(tmpdir(), 'fx-runtime-web-site-'))
  await build({
    configFile: false,
    root: fileURLToPath(page),
    logLevel: 'error',
    resolve: { conditions: ['@fx/source', 'module', 'browser', 'production'] },
    worker: { format: 'es' },
    build: {
      outDir: folder,
      emptyOutDir: true,
      target: 'es2022',
      reportCompressedSize: false,
      chunkSizeWarningLimit: 4096,
    },
  })
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) }
}

/** Where tfjs-wasm keeps its `.wasm` files. */
export const wasmFolder = (): string =>
  dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm'))

/** Where LiteRT.js keeps its scripts and `.wasm` files. */
export const litertFolder = (): string =>
  dirname(createRequire(import.meta.url).resolve('@litertjs/core/wasm/litert_wasm_internal.js'))
