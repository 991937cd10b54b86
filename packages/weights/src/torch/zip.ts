import { corrupt, unsupported } from '../errors.js'
import { ByteCursor } from '../pickle/cursor.js'
import { runPickle } from '../pickle/machine.js'
import type { Budget, GlobalSpec, PyValue } from '../pickle/values.js'
import { type ByteSource, bytesSource } from '../source.js'
import { crc32 } from '../zip/crc32.js'
import { locateEntry, type ZipEntry } from '../zip/directory.js'
import { storageTable } from './globals.js'

const maxPickle = 64 * 2 ** 20

/**
 * Reads what torch since 1.6 saves: a zip of stored entries, `<root>/data.pkl` and one `<root>/data/<key>` per storage.
 * Storages are checked against the zip's CRC-32 when they are loaded, unless `checksums` is false.
 */
export const readTorchZip = async (
  source: ByteSource,
  entries: ReadonlyMap<string, ZipEntry>,
  globals: ReadonlyMap<string, GlobalSpec>,
  budget: Budget,
  checksums: boolean,
): Promise<PyValue> => {
  const main = [...entries.keys()].find(name => /^[^/]*\/data\.pkl$/.test(name))
  if (main === undefined)
    throw unsupported(source, `it is a zip file without a torch checkpoint's data.pkl or Keras's model.weights.h5`)
  const root = main.slice(0, -'data.pkl'.length)
  if (entries.has(`${root}constants.pkl`))
    throw unsupported(source, 'it is a TorchScript program; save its state_dict() with torch.save instead')

  const verify = (entry: ZipEntry, bytes: Uint8Array): void => {
    if (checksums && crc32(bytes) !== entry.crc)
      throw corrupt(source, `its zip entry '${entry.name}' fails its CRC-32`, { entry: entry.name })
  }
  const readEntry = async (entry: ZipEntry): Promise<Uint8Array> => {
    if (entry.size > maxPickle)
      throw unsupported(source, `its '${entry.name}' has ${entry.size} bytes; ${maxPickle} are read`)
    const bytes = await source.read(await locateEntry(source, entry), entry.size)
    verify(entry, bytes)
    return bytes
  }
  const order = entries.get(`${root}byteorder`)
  if (order && new TextDecoder().decode(await readEntry(order)) !== 'little')
    throw unsupported(source, 'a big-endian machine wrote it')

  const pickle = bytesSource(await readEntry(entries.get(main)!), source.name)
  // A storage may be as long as the file, which is longer than the pickle that announces it.
  const table = storageTable(source.size)
  const value = await runPickle(new ByteCursor(pickle), { globals, persistent: table.persistent }, budget)

  for (const storage of table.storages.values()) {
    const entry = entries.get(`${root}data/${storage.key}`)
    if (!entry) throw corrupt(source, `storage '${storage.key}' is missing`)
    if (entry.size !== storage.size)
      throw corrupt(source, `storage '${storage.key}' has ${entry.size} bytes where ${storage.size} are announced`)
    let verified = !checksums
    const verifyOnce = (bytes: Uint8Array): void => {
      verify(entry, bytes)
      verified = true
    }
    storage.bytes = async () => {
      const offset = await locateEntry(source, entry)
      return verified ? { source, offset } : { source, offset, verify: verifyOnce }
    }
  }
  return value
}
