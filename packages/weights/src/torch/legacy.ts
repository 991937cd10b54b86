import { dtypeBytes } from '../dtype.js'
import { corrupt, truncated, unsupported } from '../errors.js'
import { ByteCursor } from '../pickle/cursor.js'
import { runPickle } from '../pickle/machine.js'
import { type Budget, describe, type GlobalSpec, type PyValue } from '../pickle/values.js'
import type { ByteSource } from '../source.js'
import { storageTable, type TorchStorage } from './globals.js'

/** The pickle of torch's magic number, with which every stream begins. */
export const LEGACY_MAGIC = Uint8Array.of(
  ...[0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e],
)
const magicNumber = 0x1950a86a20f9469cfc6cn

interface LegacyStream {
  readonly source: ByteSource
  readonly start?: number
  readonly end?: number
  /** What the stream may name. */
  readonly globals: ReadonlyMap<string, GlobalSpec>
  readonly budget: Budget
  readonly windowBytes?: number
}

/**
 * Reads what torch before 1.6 saved, and what a StyleGAN pickle holds for each storage: five pickles (magic number,
 * protocol, machine, the object, the storages' keys), then every storage in the order of the keys, a 64-bit count of
 * elements before each.
 */
export const readLegacyStream = async (stream: LegacyStream): Promise<PyValue> => {
  const { source, budget } = stream
  const cursor = new ByteCursor(source, stream.start, stream.end, stream.windowBytes)
  const table = storageTable(source.size)
  const plain = { globals: new Map<string, GlobalSpec>() }

  if ((await runPickle(cursor, plain, budget)) !== magicNumber)
    throw corrupt(source, 'it lacks the magic number of torch')
  const version = await runPickle(cursor, plain, budget)
  if (version !== 1001) throw unsupported(source, `its torch protocol is ${describe(version)}; 1001 is read`)
  const system = await runPickle(cursor, plain, budget)
  if (!(system instanceof Map)) throw corrupt(source, 'it does not say which machine wrote it')
  if (system.get('little_endian') !== true) throw unsupported(source, 'a big-endian machine wrote it')
  const root = await runPickle(cursor, { globals: stream.globals, persistent: table.persistent }, budget)
  const keys = await runPickle(cursor, plain, budget)
  if (!Array.isArray(keys)) throw corrupt(source, 'it has no list of storages')

  await layOut(cursor, keys, new Map(table.storages))
  return root
}

const layOut = async (cursor: ByteCursor, keys: readonly PyValue[], open: Map<string, TorchStorage>): Promise<void> => {
  const { source } = cursor
  for (const key of keys) {
    const storage = typeof key === 'string' ? open.get(key) : undefined
    if (!storage) throw corrupt(source, `its list of storages has ${describe(key)}, unknown or twice`)
    open.delete(storage.key)
    const what = `storage '${storage.key}'`
    if (!cursor.has(8)) await cursor.fill(8, what)
    const length = cursor.uint64()
    if (length !== storage.length)
      throw corrupt(source, `${what} has ${length} elements where ${storage.length} are announced`)
    storage.bytes = { source, offset: cursor.position }
    if (length * dtypeBytes[storage.dtype] > cursor.left)
      throw truncated(
        source,
        `${what} needs ${storage.size} bytes at byte ${cursor.position}, and ${cursor.left} are left`,
        {
          offset: cursor.position,
          size: source.size,
        },
      )
    cursor.skip(storage.size, what)
  }
  for (const key of open.keys()) throw corrupt(source, `storage '${key}' is missing from its list of storages`)
}
