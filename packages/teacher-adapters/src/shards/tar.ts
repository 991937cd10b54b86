import type { FileHandle } from 'node:fs/promises'
import { FxError } from '@fx/core'

/** Where a regular file's bytes lie inside a tar. */
export interface TarEntry {
  name: string
  offset: number
  size: number
}

const BLOCK = 512
const WINDOW = 64 * 1024
/** Longest name or pax header that is read; real ones have some hundred bytes. */
const MAX_EXTENDED_HEADER = 1024 * 1024

/** Two empty blocks end a tar. */
export const TAR_END: Uint8Array = new Uint8Array(2 * BLOCK)

/**
 * A file as it stands in a tar (POSIX ustar): header, bytes, padding. Owner, mode and time are constants, so equal
 * files give equal bytes.
 */
export const tarFile = (name: string, data: Uint8Array): Uint8Array => {
  const block = new Uint8Array(BLOCK + Math.ceil(data.length / BLOCK) * BLOCK)
  const header = Buffer.from(block.buffer, 0, BLOCK)
  const octal = (value: number, at: number, digits: number) =>
    header.write(`${value.toString(8).padStart(digits, '0')}\0`, at)
  header.write(name, 0, 100)
  octal(0o644, 100, 7)
  octal(0, 108, 7)
  octal(0, 116, 7)
  octal(data.length, 124, 11)
  octal(0, 136, 11)
  header.write('0', 156)
  header.write('ustar\x0000', 257, 'latin1')
  octal(0, 329, 7)
  octal(0, 337, 7)
  header.write(`${checksum(header).toString(8).padStart(6, '0')}\0 `, 148)
  block.set(data, BLOCK)
  return block
}

/** The sum of a header's bytes, with its own field counted as spaces. */
const checksum = (header: Uint8Array): number =>
  header.reduce((sum, value, i) => sum + (i >= 148 && i < 156 ? 32 : value), 0)

/**
 * The regular files of a tar (ustar, GNU or pax), found by hopping from header to header: the bytes between are not
 * read, and nothing is ever unpacked. Links, folders and devices are passed over.
 *
 * @param path names the file in errors.
 * @throws FxError `corrupt-file` for a damaged or truncated tar and for a name that leaves the archive.
 */
export async function* scanTar(file: FileHandle, path: string): AsyncGenerator<TarEntry> {
  const corrupt = (why: string) => new FxError('corrupt-file', `${path} is not a whole tar: ${why}`)
  const { size: length } = await file.stat()
  const window = Buffer.alloc(WINDOW)
  let windowAt = 0
  let windowLength = 0

  const blockAt = async (at: number): Promise<Buffer> => {
    if (at + BLOCK > length) throw corrupt(`it is truncated at byte ${length}`)
    if (at < windowAt || at + BLOCK > windowAt + windowLength) {
      windowAt = at
      windowLength = (await file.read(window, 0, WINDOW, at)).bytesRead
      if (windowLength < BLOCK) throw corrupt(`it is truncated at byte ${at + windowLength}`)
    }
    return window.subarray(at - windowAt, at - windowAt + BLOCK)
  }

  let longName: string | undefined
  let pax: Record<string, string> = {}
  for (let at = 0; ; ) {
    const header = await blockAt(at)
    if (header.every(value => value === 0)) return
    if (octalField(header, 148, 8) !== checksum(header)) {
      throw corrupt(
        header[0] === 0x1f && header[1] === 0x8b ? 'it is compressed; unpack it first' : `bad header at byte ${at}`,
      )
    }
    const type = String.fromCharCode(header[156]!)
    const size = pax.size === undefined ? sizeField(header) : Number(pax.size)
    const offset = at + BLOCK
    if (!Number.isSafeInteger(size) || size < 0) throw corrupt(`bad size at byte ${at}`)
    if (offset + size > length) throw corrupt(`it is truncated at byte ${length}`)
    const name = pax.path ?? longName ?? headerName(header)
    at = offset + Math.ceil(size / BLOCK) * BLOCK

    if (type === 'L' || type === 'x') {
      if (size > MAX_EXTENDED_HEADER) throw corrupt(`a header of ${size} bytes`)
      const body = Buffer.alloc(size)
      await file.read(body, 0, size, offset)
      if (type === 'L') longName = body.toString('utf8').replace(/\0.*$/s, '')
      else pax = paxRecords(body)
      continue
    }
    longName = undefined
    pax = {}
    if (type !== '0' && type !== '\0' && type !== '7') continue
    if (name.startsWith('/') || name.split('/').includes('..')) throw corrupt(`the name '${name}' leaves the archive`)
    yield { name: name.replace(/^(\.\/)+/, ''), offset, size }
  }
}

const textField = (header: Buffer, at: number, length: number): string => {
  const field = header.subarray(at, at + length)
  const end = field.indexOf(0)
  return field.subarray(0, end < 0 ? length : end).toString('utf8')
}

const octalField = (header: Buffer, at: number, length: number): number =>
  Number.parseInt(textField(header, at, length).trim() || '0', 8)

/** Octal, or big-endian binary with the top bit set where 8 GiB are not enough. */
const sizeField = (header: Buffer): number =>
  header[124]! & 0x80 ? header.readUIntBE(124 + 6, 6) : octalField(header, 124, 12)

const headerName = (header: Buffer): string => {
  const name = textField(header, 0, 100)
  // Only POSIX tars have a prefix; GNU ones keep times in its place.
  const prefix = header.toString('latin1', 257, 263) === 'ustar\0' ? textField(header, 345, 155) : ''
  return prefix ? `${prefix}/${name}` : name
}

/** Records of the form `length key=value\n`. */
const paxRecords = (body: Buffer): Record<string, string> => {
  const records: Record<string, string> = {}
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(' ', at)
    const length = Number.parseInt(body.toString('latin1', at, space), 10)
    if (space < 0 || !(length > 0)) break
    const [key, ...value] = body.toString('utf8', space + 1, at + length - 1).split('=')
    records[key!] = value.join('=')
    at += length
  }
  return records
}
