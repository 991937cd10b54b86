import { fileURLToPath } from 'node:url'
import { build, createLogger, type Rollup } from 'vite'
import { expect, test } from 'vitest'

test('the entry bundles for a browser: nothing of Node and nothing native is in it', async () => {
  const warnings: string[] = []
  const logger = createLogger('warn')
  logger.warn = message => warnings.push(message)
  const [{ output }] = (await build({
    configFile: false,
    customLogger: logger,
    resolve: { conditions: ['@fx/source', 'module', 'browser'] },
    build: {
      write: false,
      minify: false,
      target: 'es2022',
      lib: { entry: fileURLToPath(new URL('../../imagen-hosted.ts', import.meta.url)), formats: ['es'] },
      rollupOptions: { external: ['@google/genai'] },
    },
  })) as [Rollup.RollupOutput]
  const code = output.map(chunk => (chunk.type === 'chunk' ? chunk.code : '')).join()
  expect(code).toContain('import("@google/genai")')
  expect(code).not.toMatch(/from ["']node:|import\(["'](node:|sharp)|browser-external/)
  expect(warnings.filter(warning => warning.includes('externalized'))).toEqual([])
})
