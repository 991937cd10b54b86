import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import webpack from 'webpack'
import { expectEffect } from '../../../packages/runtime-web/test/example.js'
import config from '../webpack.config.js'

const here = fileURLToPath(new URL('..', import.meta.url))

test('webpack builds it, and the camera shows the effect', async () => {
  const path = await mkdtemp(join(tmpdir(), 'fx-example-webpack-'))
  try {
    const stats = await new Promise<webpack.Stats>((resolve, reject) => {
      // Minifying tfjs takes long and changes nothing here.
      const quick = { ...config, mode: 'production', output: { path }, optimization: { minimize: false } } as const
      webpack(quick, (error, stats) => (stats ? resolve(stats) : reject(error)))
    })
    expect(stats.toJson({ all: false, errors: true, warnings: true })).toMatchObject({ errors: [], warnings: [] })
    await expectEffect({ '/': here, '/dist/': join(path, '/') })
  } finally {
    await rm(path, { recursive: true, force: true })
  }
})
