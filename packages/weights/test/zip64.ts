import { type ByteSource, bytesSource } from '../src/index.js'

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** A source of which only some parts hold bytes; the rest are zeros. */
const sparse = (size: number, parts: readonly (readonly [number, Uint8Array])[]): ByteSource => {
  const source: ByteSource = {
    ...bytesSource(new Uint8Array(0)),
    size,
    read: async (offset, length) => {
      const bytes = new Uint8Array(length)
      for (const [at, part] of parts) {
        const [from, to] = [Math.max(offset, at), Math.min(offset + length, at + part.length)]
        if (from < to) bytes.set(part.subarray(from - at, to - at), from - offset)
      }
      return bytes
    },
  }
  return source
}

/**
 * The same zip file moved behind `hole` bytes, with a zip64 directory: every size and offset in the entries' extra
 * fields, behind a field of another kind.
 */
export const asZip64 = (zip: Uint8Array, hole: number): ByteSource => {
  const end = view(zip.subarray(zip.length - 22))
  const [count, size, start] = [end.getUint16(10, true), end.getUint32(12, true), end.getUint32(16, true)]
  const entries: Uint8Array[] = []
  for (let at = start; at < start + size; ) {
    const old = view(zip.subarray(at))
    const nameEnd = 46 + old.getUint16(28, true)
    const next = nameEnd + old.getUint16(30, true) + old.getUint16(32, true)
    const entry = new Uint8Array(nameEnd + 6 + 28)
    entry.set(zip.subarray(at, at + nameEnd))
    const made = view(entry)
    made.setUint16(30, 6 + 28, true)
    made.setUint16(32, 0, true)
    made.setUint16(nameEnd, 0x5455, true)
    made.setUint16(nameEnd + 2, 2, true)
    made.setUint16(nameEnd + 6, 1, true)
    made.setUint16(nameEnd + 8, 24, true)
    made.setBigUint64(nameEnd + 10, BigInt(old.getUint32(24, true)), true)
    made.setBigUint64(nameEnd + 18, BigInt(old.getUint32(20, true)), true)
    made.setBigUint64(nameEnd + 26, BigInt(hole + old.getUint32(42, true)), true)
    for (const field of [20, 24, 42]) made.setUint32(field, 0xffffffff, true)
    entries.push(entry)
    at += next
  }
  const directory = Buffer.concat(entries)
  const tail = new Uint8Array(56 + 20 + 22)
  const made = view(tail)
  made.setUint32(0, 0x06064b50, true)
  made.setBigUint64(4, 44n, true)
  made.setBigUint64(24, BigInt(count), true)
  made.setBigUint64(32, BigInt(count), true)
  made.setBigUint64(40, BigInt(directory.length), true)
  made.setBigUint64(48, BigInt(hole + start), true)
  made.setUint32(56, 0x07064b50, true)
  made.setBigUint64(64, BigInt(hole + start + directory.length), true)
  made.setUint32(72, 1, true)
  made.setUint32(76, 0x06054b50, true)
  tail.fill(0xff, 84, 96)
  const whole = Buffer.concat([zip.subarray(0, start), directory, tail])
  return sparse(hole + whole.length, [
    [0, zip.subarray(0, 64)],
    [hole, whole],
  ])
}
