import type { ByteCursor } from './cursor.js'
import type { Machine, PyValue } from './values.js'

/** The longest string: a StyleGAN pickle holds the source text of its modules, of some 100 KB. */
const maxText = 16 * 2 ** 20
const maxLine = 4096
const maxLongBytes = 1024

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Bytes as characters U+0000 to U+00FF. (A TextDecoder's 'latin1' is Windows-1252.) */
const latin1 = (bytes: Uint8Array): string => {
  let text = ''
  for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096))
  return text
}

/** A string of `length` bytes. */
export const readText = async (
  cursor: ByteCursor,
  length: number,
  machine: Machine,
  encoding: 'utf-8' | 'latin1',
): Promise<string> => {
  if (length > cursor.left) cursor.skip(length, 'a string')
  if (length > maxText) throw machine.unsupported(`its pickle has a string of ${length} bytes; ${maxText} are read`)
  machine.chargeBytes(length)
  if (!cursor.has(length)) await cursor.fill(length, 'a string')
  const bytes = cursor.take(length)
  if (encoding === 'latin1') return latin1(bytes)
  try {
    return utf8.decode(bytes)
  } catch {
    throw machine.corrupt('its pickle has a string that is not UTF-8')
  }
}

/** Text up to a line feed, which is passed over. */
export const readLine = async (cursor: ByteCursor, machine: Machine): Promise<string> => {
  let text = ''
  for (;;) {
    if (!cursor.has(1)) await cursor.fill(1, 'a line of its pickle')
    const byte = cursor.uint8()
    if (byte === 0x0a) return text
    if (text.length >= maxLine) throw machine.corrupt(`its pickle has a line of more than ${maxLine} bytes`)
    text += String.fromCharCode(byte)
  }
}

const simplest = (value: bigint): number | bigint =>
  value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value

/** A little-endian two's complement integer of `length` bytes. */
export const readLong = async (cursor: ByteCursor, length: number, machine: Machine): Promise<number | bigint> => {
  if (length < 0 || length > maxLongBytes)
    throw machine.unsupported(`its pickle has an integer of ${length} bytes; ${maxLongBytes} are read`)
  if (length === 0) return 0
  if (!cursor.has(length)) await cursor.fill(length, 'an integer')
  const bytes = cursor.take(length)
  let value = 0n
  for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!)
  return simplest(bytes[length - 1]! & 0x80 ? value - (1n << BigInt(8 * length)) : value)
}

/** Protocol 0's decimal integers, of which INT's `00` and `01` are booleans and LONG's end in `L`. */
export const readIntegerLine = (line: string, machine: Machine, booleans: boolean): PyValue => {
  if (booleans && (line === '00' || line === '01')) return line === '01'
  if (!/^-?\d{1,1000}L?$/.test(line)) throw machine.corrupt(`its pickle has the integer '${line.slice(0, 40)}'`)
  return simplest(BigInt(line.replace('L', '')))
}

/** Protocol 0's decimal floating-point numbers. */
export const readFloatLine = (line: string, machine: Machine): number => {
  const special = { inf: Number.POSITIVE_INFINITY, '-inf': Number.NEGATIVE_INFINITY, nan: Number.NaN }
  if (Object.hasOwn(special, line)) return special[line as keyof typeof special]
  const value = Number(line)
  if (line.trim() === '' || Number.isNaN(value))
    throw machine.corrupt(`its pickle has the number '${line.slice(0, 40)}'`)
  return value
}

/** Protocol 0's raw-unicode-escape. */
export const unescapeUnicode = (line: string): string =>
  line.replace(/\\u([0-9a-fA-F]{4})|\\U000([0-9a-fA-F]{5})/g, (whole, short?: string, long?: string) => {
    const code = Number.parseInt(short ?? long!, 16)
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole
  })
