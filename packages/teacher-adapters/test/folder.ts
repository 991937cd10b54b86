import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach } from 'vitest'

/** A temporary folder for each test. */
export const temporaryFolder = (): ((...parts: string[]) => string) => {
  let folder = ''
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fx-pairs-'))
  })
  afterEach(() => rm(folder, { recursive: true }))
  return (...parts) => join(folder, ...parts)
}

/** Every file of a folder, by name. */
export const filesIn = async (folder: string): Promise<Record<string, string>> => {
  const names = (await readdir(folder)).sort()
  return Object.fromEntries(
    await Promise.all(names.map(async name => [name, (await readFile(join(folder, name))).toString('base64')])),
  )
}
