import { FxError } from '@fx/core'
import { convertIndexedToRgb, type DecodedPng, decode, encode } from 'fast-png'
import { Inflate } from 'pako'
import { concatenated } from '../bytes.js'
import type { RgbImage } from '../contract/types.js'
import { checkRgbImage } from './rgb.js'

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]

/** The chunks that decide the pixels. The others (text, colour profiles, animation) are never looked at. */
const PIXEL_CHUNKS = ['IHDR', 'PLTE', 'tRNS', 'IDAT', 'IEND']

/** Samples of a pixel by PNG colour type. */
const CHANNELS: Record<number, number> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }

/** Origin and step of the seven Adam7 passes: x, y, x step, y step. */
const ADAM7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const

export interface DecodePngOptions {
  /** What to call the image in errors, for instance its file name. */
  name?: string
  /** Images with more pixels are refused before anything is allocated. Default 4096 x 4096. */
  maxPixels?: number
}

/**
 * An RGB image as a PNG (8 bits, RGB, no metadata). The same pixels always give the same bytes.
 *
 * @throws FxError `shape-mismatch` when the data does not fit the size.
 */
export const encodePng = (image: RgbImage): Uint8Array => {
  checkRgbImage(image)
  return encode({ width: image.width, height: image.height, data: image.data, channels: 3, depth: 8 })
}

/**
 * A PNG of any colour type and depth as 8-bit RGB. Grey becomes three equal channels, 16 bits are rounded to 8, and
 * transparent pixels are laid over white.
 *
 * Made for files from strangers: structure and checksums are checked, and memory is bounded by the size that the header
 * declares, which `maxPixels` bounds in turn.
 *
 * @throws FxError `corrupt-file` naming the file.
 */
export const decodePng = (bytes: Uint8Array, options: DecodePngOptions = {}): RgbImage => {
  const { name = 'The image', maxPixels = 4096 * 4096 } = options
  const corrupt = (why: string, cause?: unknown) =>
    new FxError('corrupt-file', `${name} is not a whole PNG: ${why}`, { cause, details: { name } })

  if (SIGNATURE.some((value, i) => bytes[i] !== value)) throw corrupt('it does not begin with the PNG signature')
  const chunks = pixelChunks(bytes, corrupt)
  const header = chunks[0]
  if (header?.type !== 'IHDR' || header.data.length !== 13) throw corrupt('the header is missing')
  const view = new DataView(header.data.buffer, header.data.byteOffset)
  const width = view.getUint32(0)
  const height = view.getUint32(4)
  const [depth, colourType, , , interlace] = header.data.subarray(8) as unknown as [number, number, 0, 0, number]
  if (width < 1 || height < 1 || width * height > maxPixels) {
    throw corrupt(`its header says ${width}x${height} pixels; at most ${maxPixels} pixels are read`)
  }
  const bits = depth * (CHANNELS[colourType] ?? 0)
  if (bits === 0) throw corrupt(`there is no colour type ${colourType} of depth ${depth}`)

  // fast-png neither bounds what it inflates nor notices missing rows, so the length is settled beforehand.
  const expected = interlace === 1 ? interlacedBytes(width, height, bits) : rowBytes(width, height, bits)
  const pixelData = chunks.filter(({ type }) => type === 'IDAT').map(({ data }) => data)
  const inflated = inflatedLength(pixelData, expected)
  if (inflated !== expected) {
    throw corrupt(`${width}x${height} pixels need ${expected} bytes of pixel data; there are ${inflated}`)
  }

  let png: DecodedPng
  let data: DecodedPng['data']
  try {
    png = decode(concatenated([Uint8Array.from(SIGNATURE), ...chunks.map(({ bytes }) => bytes)]), { checkCrc: true })
    data = colourType === 3 ? convertIndexedToRgb(png) : png.data
  } catch (error) {
    throw corrupt((error as Error).message, error)
  }
  const channels = colourType === 3 ? (png.palette?.[0]?.length ?? 3) : png.channels
  const samples = colourType === 0 && depth < 8 ? unpacked(data as Uint8Array, width, height, depth) : data
  const max = colourType === 3 ? 255 : 2 ** depth - 1
  return { width, height, data: toRgb(samples, width * height, channels, max, png.transparency) }
}

interface Chunk {
  type: string
  data: Uint8Array
  /** The whole chunk: length, type, data, checksum. */
  bytes: Uint8Array
}

const pixelChunks = (bytes: Uint8Array, corrupt: (why: string) => FxError): Chunk[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const chunks: Chunk[] = []
  for (let at = SIGNATURE.length; ; ) {
    if (at + 12 > bytes.length) throw corrupt('it ends before its last chunk')
    const end = at + 12 + view.getUint32(at)
    if (end > bytes.length) throw corrupt('it ends inside a chunk')
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8))
    if (PIXEL_CHUNKS.includes(type)) {
      chunks.push({ type, data: bytes.subarray(at + 8, end - 4), bytes: bytes.subarray(at, end) })
    }
    if (type === 'IEND') return chunks
    at = end
  }
}

const rowBytes = (width: number, height: number, bits: number): number => height * (1 + Math.ceil((width * bits) / 8))

const interlacedBytes = (width: number, height: number, bits: number): number =>
  ADAM7.reduce((total, [x, y, dx, dy]) => {
    const columns = Math.ceil((width - x) / dx)
    const rows = Math.ceil((height - y) / dy)
    return total + (columns > 0 && rows > 0 ? rowBytes(columns, rows, bits) : 0)
  }, 0)

/** How many bytes the chunks inflate to, stopping once that is more than `limit`. -1 when they do not inflate. */
const inflatedLength = (chunks: readonly Uint8Array[], limit: number): number => {
  const inflate = new Inflate({ chunkSize: Math.min(limit + 1, 65536) })
  const tooMuch = Symbol('too much')
  let length = 0
  inflate.onData = data => {
    length += (data as Uint8Array).length
    if (length > limit) throw tooMuch
  }
  try {
    for (const chunk of chunks) inflate.push(chunk)
  } catch (error) {
    if (error !== tooMuch) throw error
    return length
  }
  // `ended` is set only when the stream came to its end and its own checksum (Adler-32) held.
  return inflate.err === 0 && (inflate as unknown as { ended: boolean }).ended ? length : -1
}

/** Grey of 1, 2 or 4 bits, rows padded to bytes, as one value per pixel. */
const unpacked = (data: Uint8Array, width: number, height: number, depth: number): Uint8Array => {
  const perRow = Math.ceil((width * depth) / 8)
  const values = new Uint8Array(width * height)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bit = x * depth
      values[y * width + x] = (data[y * perRow + (bit >> 3)]! >> (8 - depth - (bit & 7))) & (2 ** depth - 1)
    }
  }
  return values
}

/** @param transparency the one grey or RGB value that means "fully transparent", if the file names one. */
const toRgb = (
  samples: ArrayLike<number>,
  pixels: number,
  channels: number,
  max: number,
  transparency?: ArrayLike<number>,
): Uint8Array => {
  const rgb = new Uint8Array(pixels * 3)
  const colours = channels < 3 ? 1 : 3
  for (let i = 0; i < pixels; i++) {
    const at = i * channels
    let alpha = channels > colours ? samples[at + colours]! / max : 1
    if (transparency && Array.from(transparency).every((value, c) => samples[at + c] === value)) alpha = 0
    for (let c = 0; c < 3; c++) {
      const value = samples[at + (colours === 1 ? 0 : c)]!
      rgb[3 * i + c] = Math.round((255 * (value * alpha)) / max + 255 * (1 - alpha))
    }
  }
  return rgb
}
