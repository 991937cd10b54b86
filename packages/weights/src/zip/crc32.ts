/** Tables for four bytes at a time: `tables[n]` takes a byte that n more bytes follow. */
const tables = Array.from({ length: 4 }, () => new Uint32Array(256))
const [first, second, third, fourth] = tables as [Uint32Array, Uint32Array, Uint32Array, Uint32Array]
for (let byte = 0; byte < 256; byte++) {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  first[byte] = value
}
for (let byte = 0; byte < 256; byte++)
  for (let n = 1; n < 4; n++) {
    const before = tables[n - 1]![byte]!
    tables[n]![byte] = (before >>> 8) ^ first[before & 255]!
  }

/** CRC-32 (ISO-HDLC), as zip has it; of several pieces, given that of those before. */
export const crc32 = (bytes: Uint8Array, before = 0): number => {
  let crc = ~before
  let at = 0
  for (const end = bytes.length - 3; at < end; at += 4) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    crc = fourth[crc & 255]! ^ third[(crc >>> 8) & 255]! ^ second[(crc >>> 16) & 255]! ^ first[crc >>> 24]!
  }
  for (; at < bytes.length; at++) crc = (crc >>> 8) ^ first[(crc ^ bytes[at]!) & 255]!
  return ~crc >>> 0
}
