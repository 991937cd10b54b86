import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'
import { test, vi } from 'vitest'
import { expectEffect } from '../../../packages/runtime-web/test/example.js'

test('vite builds it, and the camera shows the effect', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fx-example-vite-'))
  vi.stubEnv('NODE_ENV', 'production')
  try {
    await build({
      root: fileURLToPath(new URL('..', import.meta.url)),
      logLevel: 'error',
      // Minifying tfjs takes long and changes nothing here.
      build: { outDir: folder, emptyOutDir: true, minify: false, reportCompressedSize: false },
    })
    await expectEffect({ '/': folder })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
