import { stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FxError } from '@fx/core'
import { type Checkpoint, type OpenOptions, openCheckpoint as openSource } from '../checkpoint.js'
import { type ByteSource, bytesSource } from '../source.js'
import type { ShardOpener } from '../tfjs/model.js'
import { type UrlSourceOptions, urlSource } from './download.js'
import { fileSource, sha256Source } from './file.js'

/** Where a checkpoint lies: a path, an `http:`, `https:` or `file:` address, bytes, or any source. */
export type CheckpointLocation = string | URL | Uint8Array | ByteSource

const isFile = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined))?.isFile() ?? false

interface Opened {
  source: ByteSource
  /** Finds what lies beside the source. */
  shards?: ShardOpener
}

const openPath = async (path: string): Promise<Opened> => {
  const model = join(path, 'model.json')
  const file = (await isFile(model)) ? model : path
  return { source: await fileSource(file), shards: name => fileSource(join(dirname(file), name)) }
}

const openLocation = async (location: CheckpointLocation, options: UrlSourceOptions): Promise<Opened> => {
  if (location instanceof Uint8Array) return { source: bytesSource(location) }
  if (location instanceof URL || typeof location === 'string') {
    const text = String(location)
    // What the options say of the file, its hash, is not true of the files beside it.
    const { sha256: _, ...others } = options
    if (/^https?:\/\//i.test(text))
      return {
        source: await urlSource(text, options),
        shards: name => urlSource(String(new URL(encodeURI(name), text)), others),
      }
    return openPath(/^file:\/\//i.test(text) ? fileURLToPath(text) : text)
  }
  return { source: location }
}

/**
 * Opens a checkpoint wherever it lies, as `openCheckpoint` of `@fx/weights` does. A web address is downloaded once and
 * cached on disk. Of a tfjs model, give the model.json or its folder: the shards are found beside it (`sha256` is that of
 * the model.json). Call `close()` when done with the tensors.
 *
 * @throws FxError those of `openCheckpoint`, `fileSource` and `urlSource`; `checksum-mismatch` when `sha256` is given and
 * differs from the file's. Nothing stays open after an error.
 */
export const openCheckpoint = async (
  location: CheckpointLocation,
  options: OpenOptions & UrlSourceOptions = {},
): Promise<Checkpoint> => {
  const { source, shards } = await openLocation(location, options)
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
    return await openSource(source, { ...(shards && { shards }), ...options })
  } catch (error) {
    await source.close?.()
    throw error
  }
}
