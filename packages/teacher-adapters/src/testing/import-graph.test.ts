import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../../test/folder.js'
import { readImports } from './import-graph.js'

const at = temporaryFolder()

/** Writes modules and reads what `adapter.ts` imports. */
const read = async (files: Record<string, string>, entry: URL | string = pathToFileURL(at('adapter.ts'))) => {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(at(name)), { recursive: true })
    await writeFile(at(name), text)
  }
  return readImports({ entry, from: at(), conditions: [] })
}
const packageOf = (name: string, extra = {}) => JSON.stringify({ name, type: 'module', main: 'index.js', ...extra })

test.each([
  ['by a static import', `import { unetStudent } from '@fx/unet-student'\nexport default unetStudent`],
  ['by an export', `export * from '@fx/unet-student/presets'`],
  ['by a lazy import', `export const load = () => import('@fx/distill')`],
  ['by require', `export const load = () => require('@fx/losses')`],
])('finds a student %s', async (_, text) => {
  const { student } = await read({ 'adapter.ts': `export * from './part.js'`, 'part.ts': text })
  expect(student).toEqual([at('adapter.ts'), at('part.ts'), expect.stringMatching(/^@fx\//)])
})

test('finds a student behind another package, and one that is imported by its path', async () => {
  const behind = await read({
    'adapter.ts': `import 'helper'`,
    'node_modules/helper/package.json': packageOf('helper'),
    'node_modules/helper/index.js': `import '@fx/export'`,
  })
  expect(behind.student?.at(-1)).toBe('@fx/export')
  expect(behind.student?.[1]).toMatch(/helper\/index\.js$/)
  const byPath = await read({
    'adapter.ts': `export * from './student/source/index.js'`,
    'student/package.json': packageOf('@fx/mobilenet-encoder'),
    'student/source/index.ts': `export const encoder = 1`,
  })
  expect(byPath.student).toEqual([at('adapter.ts'), './student/source/index.js'])
})

test('passes types, Node, tfjs, other files, absent optional packages, and names that only begin alike', async () => {
  const graph = await read({
    'adapter.ts': `
      import { readFile } from 'node:fs/promises'
      import * as tf from '@tensorflow/tfjs-core'
      import type { Student } from '@fx/unet-student'
      import { words } from './words.json'
      import '@fx/unet-students'
      export const load = () => import('not-installed')
      export const picture = new URL('./picture.bin', import.meta.url)
      export const use = (student: Student) => [readFile, tf, words, student]`,
    'words.json': '{ "words": [] }',
    'node_modules/@fx/unet-students/package.json': packageOf('@fx/unet-students'),
    'node_modules/@fx/unet-students/index.js': `import './native.node'`,
    'node_modules/@fx/unet-students/native.node': '\0',
  })
  expect(graph).toEqual({ modules: 4, unresolved: [] })
})

test('says what it could not read: an entry, an import or a module that leads nowhere', async () => {
  const names = ({ unresolved }: Awaited<ReturnType<typeof read>>) => unresolved.map(({ specifier }) => specifier)
  expect(names(await read({}, 'no-such-package'))).toEqual(['no-such-package'])
  expect(names(await read({ 'adapter.ts': `import './gone.js'` }))).toEqual(['./gone.js'])
  expect(names(await read({ 'adapter.ts': `import { is not JavaScript` }))).toHaveLength(1)
  expect(await read({ 'adapter.ts': `export { missing } from './part.js'`, 'part.ts': 'export {}' })).toEqual({
    modules: 2,
    unresolved: [],
  })
})

test('follows the conditions that it is told', async () => {
  await read({
    'node_modules/two/package.json': packageOf('two', { exports: { special: './special.js', default: './index.js' } }),
    'node_modules/two/index.js': '',
    'node_modules/two/special.js': `import '@fx/runtime-web'`,
  })
  expect((await readImports({ entry: 'two', from: at(), conditions: [] })).student).toBeUndefined()
  expect((await readImports({ entry: 'two', from: at(), conditions: ['special'] })).student?.at(-1)).toBe(
    '@fx/runtime-web',
  )
})
