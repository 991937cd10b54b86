import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { wayBetween } from './import-graph.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const teachers = ['@fx/teacher-adapters', '@fx/miniatures']
const students = ['@fx/unet-student', '@fx/mobilenet-encoder']

test('no import leads from teachers to students, nor back', () => {
  expect(wayBetween(root, teachers, students)).toBeUndefined()
  expect(wayBetween(root, students, teachers)).toBeUndefined()
})

test('no package of one side names the other among its dependencies', async () => {
  const named = async (name: string): Promise<string[]> => {
    const path = join(root, name.replace('@fx', 'packages'), 'package.json')
    const { dependencies, peerDependencies, optionalDependencies, devDependencies } = JSON.parse(
      await readFile(path, 'utf8'),
    )
    return Object.keys({ ...dependencies, ...peerDependencies, ...optionalDependencies, ...devDependencies })
  }
  for (const teacher of teachers) expect((await named(teacher)).filter(name => students.includes(name))).toEqual([])
  for (const student of students) expect((await named(student)).filter(name => teachers.includes(name))).toEqual([])
})

/** A workspace of two packages and one that both may use, where a file of the teacher holds one import. */
const workspace = async (importing: string, shared = ''): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'fx-seam-'))
  const files = {
    'teacher/src/index.ts': "export * from './deep/edit.js'\n",
    'teacher/src/deep/edit.ts': `import { readFile } from 'node:fs/promises'\n${importing}\nexport const edit = readFile\n`,
    'shared/src/index.ts': `${shared}\nexport const shared = 1\n`,
    'student/src/index.ts': 'export const student = 1\nexport interface Spec { depth: number }\n',
  }
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(folder, 'packages', path, '..'), { recursive: true })
    await writeFile(join(folder, 'packages', path), text)
  }
  for (const name of ['teacher', 'shared', 'student']) {
    const manifest = { name: `@fx/${name}`, exports: { '.': { '@fx/source': './src/index.ts' } } }
    await writeFile(join(folder, 'packages', name, 'package.json'), JSON.stringify(manifest))
  }
  return folder
}

const edit = 'packages/teacher/src/deep/edit.ts'
const student = 'packages/student/src/index.ts'

test.each([
  ['an import', "import { student } from '@fx/student'"],
  ['an import of a type', "import type { Spec } from '@fx/student'"],
  ['an export', "export { student } from '@fx/student'"],
  ['an import at run time', "export const open = () => import('@fx/student')"],
  ['the type of an import', "export type Depth = import('@fx/student').Spec['depth']"],
  ['a file of the other package', "import { student } from '../../../student/src/index.js'"],
])('%s is found', async (_, importing) => {
  expect(wayBetween(await workspace(importing), ['@fx/teacher'], ['@fx/student'])).toEqual([edit, student])
})

test('a way through a third package is found, file by file', async () => {
  const folder = await workspace("import '@fx/shared'", "import '@fx/student'")
  expect(wayBetween(folder, ['@fx/teacher'], ['@fx/student'])).toEqual([edit, 'packages/shared/src/index.ts', student])
  expect(wayBetween(folder, ['@fx/student'], ['@fx/teacher'])).toBeUndefined()
})

test('packages that share a third have no way between them', async () => {
  expect(wayBetween(await workspace("import '@fx/shared'"), ['@fx/teacher'], ['@fx/student'])).toBeUndefined()
})

test('an import that leads nowhere is an error, not a way past', async () => {
  const folder = await workspace("import '@fx/student/inner'")
  expect(() => wayBetween(folder, ['@fx/teacher'], ['@fx/student'])).toThrow(/edit\.ts imports '@fx\/student\/inner'/)
})
