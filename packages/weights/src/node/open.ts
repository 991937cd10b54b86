import { fileURLToPath } from 'node:url'
import { FxError } from '@fx/core'
import { type Checkpoint, type OpenOptions, openCheckpoint as openSource } from '../checkpoint.js'
import { type ByteSource, bytesSource } from '../source.js'
import { type UrlSourceOptions, urlSource } from './download.js'
import { fileSource, sha256Source } from './file.js'

/** Where a checkpoint lies: a path, an `http:`, `https:` or `file:` address, bytes, or any source. */
export type CheckpointLocation = string | URL | Uint8Array | ByteSource

const sourceOf = async (location: CheckpointLocation, options: UrlSourceOptions): Promise<ByteSource> => {
  if (location instanceof Uint8Array) return bytesSource(location)
  if (location instanceof URL || typeof location === 'string') {
    const text = String(location)
    if (/^https?:\/\//i.test(text)) return urlSource(text, options)
    if (/^file:\/\//i.test(text)) return fileSource(fileURLToPath(text))
    return fileSource(text)
  }
  return location
}

/**
 * Opens a checkpoint wherever it lies, as `openCheckpoint` of `@fx/weights` does. A web address is downloaded once and
 * cached on disk. Call `close()` when done with the tensors.
 *
 * @throws FxError those of `openCheckpoint`, `fileSource` and `urlSource`; `checksum-mismatch` when `sha256` is given and
 * differs from the file's. Nothing stays open after an error.
 */
export const openCheckpoint = async (
  location: CheckpointLocation,
  options: OpenOptions & UrlSourceOptions = {},
): Promise<Checkpoint> => {
  const source = await sourceOf(location, options)
  try {
    if (options.sha256 !== undefined) {
      const sha256 = await sha256Source(source)
      if (sha256 !== options.sha256.toLowerCase())
        throw new FxError(
          'checksum-mismatch',
          `${source.name ?? 'The checkpoint'} has the SHA-256 ${sha256}, not ${options.sha256}`,
          { details: { sha256, expected: options.sha256 } },
        )
    }
    return await openSource(source, options)
  } catch (error) {
    await source.close?.()
    throw error
  }
}
