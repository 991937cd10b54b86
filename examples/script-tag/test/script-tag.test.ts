import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'vitest'
import { expectEffect } from '../../../packages/runtime-web/test/example.js'

const runtime = dirname(createRequire(import.meta.url).resolve('@fx/runtime-web/package.json'))

test('a static server is enough, and the camera shows the effect', async () => {
  await expectEffect({ '/': fileURLToPath(new URL('..', import.meta.url)), '/fx/': join(runtime, 'dist/script/') })
})
