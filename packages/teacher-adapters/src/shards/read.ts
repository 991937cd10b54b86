import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { FxError } from '@fx/core'
import { readJson } from '@fx/core/node'
import { throwIfAborted } from '../contract/request.js'
import type { TeacherPair } from '../contract/types.js'
import { parseShardManifest, type ShardFile, type ShardManifest } from './manifest.js'
import { groupPairs, openPair, type StoredPair } from './pairs.js'
import { scanTar, type TarEntry } from './tar.js'

/** Bytes of one image or description. A 4096 x 4096 image of random pixels has a fifth of it. */
const MAX_PART = 256 * 1024 * 1024

/** Where one pair's files lie in a tar. */
export type PairPlace = { key: string; parts: { input: TarEntry; target: TarEntry; json?: TarEntry } }

export interface OpenShardsOptions {
  /** Compare every shard with its checksum when it is first read from. Default true. */
  verify?: boolean
}

/** A folder of shards, readable in any order. Holds no open file between calls and no pixels. */
export interface ShardReader {
  readonly manifest: ShardManifest
  readonly pairCount: number
  /** The pair of an index. Only its own bytes are read, once its shard is known. */
  pair(index: number): Promise<TeacherPair>
  /** All pairs in order. */
  pairs(options?: { signal?: AbortSignal }): AsyncIterable<TeacherPair>
}

/**
 * Opens a folder that `writeShards` made.
 *
 * @throws FxError `not-found`, `newer-version`, `corrupt-file`; later, when pairs are read, also `checksum-mismatch` and
 *   `shape-mismatch`.
 */
export const openShards = async (folder: string, { verify = true }: OpenShardsOptions = {}): Promise<ShardReader> => {
  const path = join(folder, 'manifest.json')
  const manifest = parseShardManifest(await readJson(path), path)
  const starts = [0]
  for (const { pairs } of manifest.shards) starts.push(starts.at(-1)! + pairs)
  const places = new Map<number, Promise<PairPlace[]>>()

  const placesOf = (number: number): Promise<PairPlace[]> => {
    const known = places.get(number) ?? knownShard(folder, manifest.shards[number]!, verify)
    places.set(number, known)
    // A failure is reported again next time rather than remembered: the file may have been put right.
    known.catch(() => places.delete(number))
    return known
  }

  const pair = async (index: number): Promise<TeacherPair> => {
    if (!Number.isInteger(index) || index < 0 || index >= manifest.pairCount) {
      throw new FxError(
        'invalid-argument',
        `${folder} has no pair ${index}; it has pairs 0 to ${manifest.pairCount - 1}`,
      )
    }
    const number = shardOf(starts, index)
    const place = (await placesOf(number))[index - starts[number]!]!
    const stored = await readPlace(join(folder, manifest.shards[number]!.path), place)
    const { effect: _, ...opened } = openPair(stored, {
      index,
      licence: { id: 'NOASSERTION' },
      version: manifest.plan,
    })
    return opened
  }

  return {
    manifest,
    pairCount: manifest.pairCount,
    pair,
    async *pairs({ signal } = {}) {
      for (let index = 0; index < manifest.pairCount; index++) {
        throwIfAborted(signal)
        yield await pair(index)
      }
    },
  }
}

/**
 * Streams the pairs of a folder that `writeShards` made, in order.
 *
 * @throws FxError as `openShards` and its reader do, and `aborted`.
 */
export async function* readShards(
  folder: string,
  { signal, ...options }: OpenShardsOptions & { signal?: AbortSignal } = {},
): AsyncGenerator<TeacherPair> {
  const reader = await openShards(folder, options)
  yield* reader.pairs(signal ? { signal } : {})
}

/** The shard that holds an index: the last one that starts at or before it. */
const shardOf = (starts: readonly number[], index: number): number => {
  let low = 0
  let high = starts.length - 2
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (starts[middle]! <= index) low = middle
    else high = middle - 1
  }
  return low
}

const knownShard = async (folder: string, shard: ShardFile, verify: boolean): Promise<PairPlace[]> => {
  const path = join(folder, shard.path)
  const info = await stat(path).catch(cause => {
    throw new FxError('not-found', `The shard ${path} is missing`, { cause, details: { path } })
  })
  if (info.size !== shard.bytes) {
    throw new FxError('corrupt-file', `${path} has ${info.size} bytes; the manifest says ${shard.bytes}`, {
      details: { path },
    })
  }
  if (verify) {
    const hash = createHash('sha256')
    for await (const data of createReadStream(path)) hash.update(data as Buffer)
    const actual = hash.digest('hex')
    if (actual !== shard.sha256) {
      throw new FxError('checksum-mismatch', `${path} has the SHA-256 ${actual}; the manifest says ${shard.sha256}`, {
        details: { path, actual, expected: shard.sha256 },
      })
    }
  }
  const places = await tarPairs(path)
  if (places.length !== shard.pairs) {
    throw new FxError('corrupt-file', `${path} holds ${places.length} pairs; the manifest says ${shard.pairs}`)
  }
  return places
}

/** Where the pairs of a WebDataset tar lie. */
export const tarPairs = (path: string): Promise<PairPlace[]> =>
  withFile(path, async file => {
    const files: { name: string; file: TarEntry }[] = []
    for await (const entry of scanTar(file, path)) files.push({ name: entry.name, file: entry })
    return groupPairs(files, path)
  })

/** Reads one pair's bytes out of a tar. */
export const readPlace = (path: string, { key, parts }: PairPlace): Promise<StoredPair> =>
  withFile(path, async file => {
    const bytes = async ({ name, offset, size }: TarEntry) => {
      if (size > MAX_PART)
        throw new FxError('corrupt-file', `${path}: '${name}' has ${size} bytes; no image is that big`)
      const data = Buffer.alloc(size)
      const { bytesRead } = await file.read(data, 0, size, offset)
      if (bytesRead !== size) throw new FxError('corrupt-file', `${path} was cut while it was read, at '${name}'`)
      return data
    }
    return {
      name: `${path}: ${key}`,
      key,
      input: await bytes(parts.input),
      target: await bytes(parts.target),
      ...(parts.json && { json: await bytes(parts.json) }),
    }
  })

const withFile = async <T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T> => {
  const file = await open(path).catch(cause => {
    throw new FxError('not-found', `Cannot read ${path}: ${(cause as Error).message}`, { cause, details: { path } })
  })
  try {
    return await use(file)
  } finally {
    await file.close()
  }
}
