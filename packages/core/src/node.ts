import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { FxError } from './errors.js'

const reasons: Record<string, string> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  EACCES: 'permission was denied',
  EPERM: 'permission was denied',
  ENOTDIR: 'a parent of it is a file',
  EISDIR: 'it is a folder',
}

/** Turns a file-system error of a write into an FxError `write-failed` that says why in words. */
export const writeFailed = (path: string, error: unknown): FxError => {
  if (FxError.isInstance(error)) return error
  const code = (error as NodeJS.ErrnoException | null)?.code ?? ''
  return new FxError('write-failed', `Cannot write ${path}: ${reasons[code] ?? (error as Error)?.message ?? code}`, {
    cause: error,
    details: { path, code },
  })
}

/**
 * Writes a whole file or nothing: the bytes go to a temporary neighbour, reach the disk, and take the name in one step.
 * Missing parent folders are made.
 *
 * @throws FxError `write-failed` (full disk, permissions); no partial file is left.
 */
export const writeFileAtomic = async (path: string, data: Uint8Array | string): Promise<void> => {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`)
  try {
    await mkdir(dirname(path), { recursive: true })
    const file = await open(temporary, 'wx')
    try {
      await file.writeFile(data)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {})
    throw writeFailed(path, error)
  }
}

/**
 * Reads and parses a JSON file.
 *
 * @throws FxError `not-found` when there is no such file, `corrupt-file` when it is not JSON.
 */
export const readJson = async (path: string): Promise<unknown> => {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    throw new FxError('not-found', `Cannot read ${path}: ${(error as Error).message}`, {
      cause: error,
      details: { path },
    })
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new FxError('corrupt-file', `${path} is not JSON: ${(error as Error).message}`, {
      cause: error,
      details: { path },
    })
  }
}
