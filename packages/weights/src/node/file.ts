import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { FxError } from '@fx/core'
import { truncated } from '../errors.js'
import { type ByteSource, checkRange } from '../source.js'

const reasons: Record<string, string> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a folder',
  EACCES: 'permission was denied',
  ENOTDIR: 'a parent of it is a file',
}

const cannotOpen = (path: string, error: unknown): FxError => {
  const { code = '', message } = error as NodeJS.ErrnoException
  return new FxError('not-found', `Cannot read ${path}: ${reasons[code] ?? message}`, {
    cause: error,
    details: { path, code },
  })
}

/**
 * A file as a source; its handle stays open until `close`.
 *
 * @throws FxError `not-found` when it cannot be opened or is a folder.
 */
export const fileSource = async (path: string): Promise<ByteSource> => {
  let file: FileHandle
  try {
    file = await open(path, 'r')
  } catch (error) {
    throw cannotOpen(path, error)
  }
  const stat = await file.stat()
  if (!stat.isFile()) {
    await file.close()
    throw cannotOpen(path, { code: 'EISDIR', message: 'it is not a file' })
  }
  const source: ByteSource = {
    size: stat.size,
    name: path,
    read: async (offset, length) => {
      checkRange(source, offset, length)
      const bytes = new Uint8Array(length)
      let done = 0
      while (done < length) {
        const { bytesRead } = await file.read(bytes, done, length - done, offset + done)
        if (bytesRead === 0) throw truncated(source, 'it became shorter while it was being read', { offset, length })
        done += bytesRead
      }
      return bytes
    },
    close: () => file.close(),
  }
  return source
}

/** SHA-256 of a whole source, as 64 lower-case hex digits, read in pieces of 1 MiB. */
export const sha256Source = async (source: ByteSource): Promise<string> => {
  const hash = createHash('sha256')
  const piece = 2 ** 20
  for (let offset = 0; offset < source.size; offset += piece)
    hash.update(await source.read(offset, Math.min(piece, source.size - offset)))
  return hash.digest('hex')
}
