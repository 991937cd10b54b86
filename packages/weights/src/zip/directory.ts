import { corrupt, truncated, unsupported } from '../errors.js'
import type { ByteSource } from '../source.js'

/** A stored entry of a zip file. */
export interface ZipEntry {
  readonly name: string
  readonly size: number
  readonly crc: number
  /** Where its local header begins. */
  readonly header: number
}

const endSignature = 0x06054b50
const end64Signature = 0x06064b50
const locatorSignature = 0x07064b50
const directorySignature = 0x02014b50
const localSignature = 0x04034b50
const endBytes = 22
const maxDirectory = 64 * 2 ** 20

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
const names = new TextDecoder()

/**
 * Reads a zip's directory, zip64 included. Compressed or encrypted entries are refused: torch and Keras store theirs as
 * they are, so that they can be read in ranges.
 */
export const readZipDirectory = async (source: ByteSource): Promise<ReadonlyMap<string, ZipEntry>> => {
  const { offset, size, count } = await findDirectory(source)
  if (size > maxDirectory) throw unsupported(source, `its zip directory has ${size} bytes; ${maxDirectory} are read`)
  const bytes = await source.read(offset, size)
  const view = viewOf(bytes)
  const entries = new Map<string, ZipEntry>()
  let at = 0
  for (let index = 0; index < count; index++) {
    if (at + 46 > size || view.getUint32(at, true) !== directorySignature)
      throw corrupt(source, `its zip directory breaks off at entry ${index} of ${count}`)
    const nameEnd = at + 46 + view.getUint16(at + 28, true)
    const extraEnd = nameEnd + view.getUint16(at + 30, true)
    const next = extraEnd + view.getUint16(at + 32, true)
    if (next > size) throw corrupt(source, `its zip directory breaks off at entry ${index} of ${count}`)
    const entry = readEntry(source, bytes.subarray(at, nameEnd), bytes.subarray(nameEnd, extraEnd))
    if (entry.header + 30 + entry.size > offset)
      throw corrupt(source, `its zip entry '${entry.name}' reaches into the directory`)
    if (entries.has(entry.name)) throw corrupt(source, `it has two zip entries '${entry.name}'`)
    entries.set(entry.name, entry)
    at = next
  }
  if (at !== size) throw corrupt(source, `its zip directory has more than the ${count} entries that it announces`)
  return entries
}

const readEntry = (source: ByteSource, fixed: Uint8Array, extra: Uint8Array): ZipEntry => {
  const view = viewOf(fixed)
  const name = names.decode(fixed.subarray(46))
  if (view.getUint16(8, true) & 1) throw unsupported(source, `its zip entry '${name}' is encrypted`)
  const method = view.getUint16(10, true)
  if (method !== 0)
    throw unsupported(source, `its zip entry '${name}' is compressed (method ${method}); torch and Keras store theirs`)
  const wide = zip64Values(extra)
  const wideOr = (value: number): number => {
    if (value !== 0xffffffff) return value
    const next = wide.shift()
    if (next === undefined) throw corrupt(source, `its zip entry '${name}' lacks its 64-bit sizes`)
    return next
  }
  const size = wideOr(view.getUint32(24, true))
  const packed = wideOr(view.getUint32(20, true))
  if (packed !== size) throw corrupt(source, `its stored zip entry '${name}' has two sizes, ${packed} and ${size}`)
  return { name, size, crc: view.getUint32(16, true), header: wideOr(view.getUint32(42, true)) }
}

/** The 64-bit values of the zip64 extra field, in the order in which the short ones are 0xffffffff. */
const zip64Values = (extra: Uint8Array): number[] => {
  const view = viewOf(extra)
  for (let at = 0; at + 4 <= extra.length; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) !== 1) continue
    const end = Math.min(at + 4 + view.getUint16(at + 2, true), extra.length)
    const values: number[] = []
    for (let value = at + 4; value + 8 <= end; value += 8) values.push(Number(view.getBigUint64(value, true)))
    return values
  }
  return []
}

const findDirectory = async (source: ByteSource): Promise<{ offset: number; size: number; count: number }> => {
  const tailBytes = Math.min(source.size, endBytes + 65535 + 20)
  const tailStart = source.size - tailBytes
  const tail = viewOf(await source.read(tailStart, tailBytes))
  let at = tailBytes - endBytes
  while (
    at >= 0 &&
    !(tail.getUint32(at, true) === endSignature && tail.getUint16(at + 20, true) <= tailBytes - at - 22)
  )
    at--
  if (at < 0) throw truncated(source, 'the directory at the end of the zip file is missing', { size: source.size })

  let count = tail.getUint16(at + 10, true)
  let size = tail.getUint32(at + 12, true)
  let offset = tail.getUint32(at + 16, true)
  if (at >= 20 && tail.getUint32(at - 20, true) === locatorSignature) {
    const begin = Number(tail.getBigUint64(at - 12, true))
    if (begin + 56 > source.size) throw corrupt(source, 'its zip64 directory lies outside of the file')
    const end64 = viewOf(await source.read(begin, 56))
    if (end64.getUint32(0, true) !== end64Signature) throw corrupt(source, 'its zip64 directory is not where it says')
    count = Number(end64.getBigUint64(32, true))
    size = Number(end64.getBigUint64(40, true))
    offset = Number(end64.getBigUint64(48, true))
  }
  if (offset + size > tailStart + at) throw corrupt(source, 'its zip directory lies outside of the file')
  return { offset, size, count }
}

/**
 * Where an entry's bytes begin: behind its local header, whose length the directory does not tell.
 */
export const locateEntry = async (source: ByteSource, entry: ZipEntry): Promise<number> => {
  const header = viewOf(await source.read(entry.header, 30))
  if (header.getUint32(0, true) !== localSignature)
    throw corrupt(source, `its zip entry '${entry.name}' is not where the directory says`)
  return entry.header + 30 + header.getUint16(26, true) + header.getUint16(28, true)
}
