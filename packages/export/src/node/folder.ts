import { randomBytes } from 'node:crypto'
import { access, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { FxError } from '@fx/core'
import { writeFailed } from '@fx/core/node'

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

const writeSynced = async (path: string, data: Uint8Array | string): Promise<void> => {
  await mkdir(dirname(path), { recursive: true })
  const file = await open(path, 'wx')
  try {
    await file.writeFile(data)
    await file.sync()
  } finally {
    await file.close()
  }
}

/**
 * Writes a folder whole or not at all: the files go to a hidden neighbour that takes the name when all have reached the
 * disk. A former folder of the same kind (one that holds `mark`) is replaced, any other non-empty one is refused.
 *
 * @throws FxError `invalid-argument` for a folder that holds something else, `write-failed` (the former folder stays).
 */
export const writeFolder = async (
  folder: string,
  files: ReadonlyMap<string, Uint8Array | string>,
  mark: string,
): Promise<void> => {
  const target = resolve(folder)
  const unique = `.${basename(target)}.${randomBytes(6).toString('hex')}`
  const temporary = join(dirname(target), `${unique}.tmp`)
  const former = join(dirname(target), `${unique}.old`)
  const entries = await readdir(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw writeFailed(target, error)
  })
  if (entries !== undefined && entries.length > 0 && !(await exists(join(target, mark)))) {
    throw new FxError(
      'invalid-argument',
      `${folder} holds other files; give an empty folder or one with ${mark} in it`,
      {
        details: { folder },
      },
    )
  }
  try {
    for (const [path, data] of files) await writeSynced(join(temporary, path), data)
    // A folder cannot take the place of a full one in one step. A kill between these two leaves the former one hidden.
    if (entries !== undefined) await rename(target, former)
    try {
      await rename(temporary, target)
    } catch (error) {
      if (entries !== undefined) await rename(former, target)
      throw error
    }
    await rm(former, { recursive: true, force: true })
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => {})
    throw writeFailed(target, error)
  }
}
