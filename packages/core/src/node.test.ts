import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readJson, writeFileAtomic } from './node.js'

const folder = () => mkdtemp(join(tmpdir(), 'fx-core-'))

test('a write makes its folders, replaces the file and leaves nothing else', async () => {
  const path = join(await folder(), 'a', 'b.txt')
  await writeFileAtomic(path, 'one')
  await writeFileAtomic(path, 'two')
  expect(await readFile(path, 'utf8')).toBe('two')
  expect(await readdir(join(path, '..'))).toEqual(['b.txt'])
})

test('a failed write says why and leaves nothing', async () => {
  const parent = await folder()
  await writeFile(join(parent, 'file'), '')
  await expect(writeFileAtomic(join(parent, 'file', 'child'), 'x')).rejects.toMatchObject({ code: 'write-failed' })
  await expect(writeFileAtomic('/dev/full/x', 'x')).rejects.toMatchObject({ code: 'write-failed' })
  expect(await readdir(parent)).toEqual(['file'])
})

test('readJson tells a missing file from a broken one', async () => {
  const parent = await folder()
  await writeFile(join(parent, 'bad.json'), '{"a":')
  await expect(readJson(join(parent, 'none.json'))).rejects.toMatchObject({ code: 'not-found' })
  await expect(readJson(join(parent, 'bad.json'))).rejects.toMatchObject({ code: 'corrupt-file' })
})
