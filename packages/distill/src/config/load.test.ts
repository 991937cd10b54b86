import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadConfig } from './load.js'

const written = async (name: string, text: string): Promise<string> => {
  const path = join(await mkdtemp(join(tmpdir(), 'fx-config-')), name)
  await writeFile(path, text)
  return path
}

test.each(['fx.config.ts', 'fx.config.mts', 'fx.config.mjs'])('%s is loaded', async name => {
  const types = name.endsWith('ts') ? ': string' : ''
  const path = await written(name, `const out${types} = 'here'\nexport default { out, size: 32 }\n`)
  expect(await loadConfig(path)).toEqual({ out: 'here', size: 32 })
})

test('a file that is missing, of another kind or without a default export is named', async () => {
  await expect(loadConfig('/nowhere/fx.config.ts')).rejects.toMatchObject({ code: 'not-found' })
  await expect(loadConfig(await written('fx.config.json', '{}'))).rejects.toThrow(/must end in '\.ts', /)
  await expect(loadConfig(await written('fx.config.mjs', 'export const a = 1'))).rejects.toThrow(/export default/)
})
