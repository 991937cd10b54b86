import { seededRandom } from '@fx/core'
import { Resvg } from '@resvg/resvg-js'
import { encode } from 'fast-png'
import { deflate } from 'pako'
import { expect, test } from 'vitest'
import { changedRegion, checkRgbImage, decodePng, encodePng, equalImages, type RgbImage } from '../index.js'

const noise = (width: number, height: number, channels = 3, bits = 8): number[] => {
  const random = seededRandom('png', width, height, channels, bits)
  return Array.from({ length: width * height * channels }, () => random.integer(2 ** bits))
}
const image: RgbImage = { width: 13, height: 9, data: Uint8Array.from(noise(13, 9)) }
const corrupt = (bytes: Uint8Array, options = {}) =>
  expect(() => decodePng(bytes, { name: 'shard.tar: 000001.input.png', ...options })).toThrow(
    expect.objectContaining({ code: 'corrupt-file', message: expect.stringContaining('000001.input.png') }),
  )

/** A PNG with any header over any pixel data, checksums right. */
const forged = (header: number[], pixelData: Uint8Array): Uint8Array => {
  const chunk = (type: string, data: Uint8Array) => {
    const bytes = new Uint8Array(12 + data.length)
    const view = new DataView(bytes.buffer)
    view.setUint32(0, data.length)
    bytes.set(Buffer.from(type), 4)
    bytes.set(data, 8)
    let crc = ~0
    for (const value of bytes.subarray(4, 8 + data.length)) {
      crc ^= value
      for (let k = 0; k < 8; k++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
    }
    view.setUint32(8 + data.length, ~crc >>> 0)
    return bytes
  }
  const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)
  return Buffer.concat([
    signature,
    chunk('IHDR', Uint8Array.from(header)),
    chunk('IDAT', deflate(pixelData)),
    chunk('IEND', new Uint8Array()),
  ])
}
const header = (width: number, height: number, depth = 8, colourType = 2, interlace = 0): number[] => {
  const bytes = Buffer.alloc(13)
  bytes.writeUInt32BE(width, 0)
  bytes.writeUInt32BE(height, 4)
  bytes.set([depth, colourType, 0, 0, interlace], 8)
  return [...bytes]
}

test('an image survives, and always gives the same bytes', () => {
  const bytes = encodePng(image)
  expect(decodePng(bytes)).toEqual(image)
  expect(encodePng({ ...image, data: image.data.slice() })).toEqual(bytes)
})

test('every other kind of PNG becomes 8-bit RGB', () => {
  const [width, height] = [5, 3]
  const grey = noise(width, height, 1)
  const rgb = noise(width, height)
  const rgba = noise(width, height, 4)
  const deep = noise(width, height, 3, 16)
  const over = (value: number, alpha: number) => Math.round((value * alpha) / 255 + 255 - alpha)
  const png = (data: number[], channels: 1 | 2 | 3 | 4, options = {}) =>
    decodePng(encode({ width, height, data: Uint8Array.from(data), channels }, options)).data
  expect(png(grey, 1)).toEqual(Uint8Array.from(grey.flatMap(v => [v, v, v])))
  expect(png(rgb, 3, { interlace: 'Adam7' })).toEqual(Uint8Array.from(rgb))
  expect(png(rgba, 4)).toEqual(
    Uint8Array.from(rgba.flatMap((v, i) => (i % 4 === 3 ? [] : over(v, rgba[i - (i % 4) + 3]!)))),
  )
  expect(
    png(
      grey.flatMap((v, i) => [v, 17 * i]),
      2,
    ),
  ).toEqual(Uint8Array.from(grey.flatMap((v, i) => Array(3).fill(over(v, 17 * i)))))
  expect(decodePng(encode({ width, height, data: Uint16Array.from(deep), channels: 3, depth: 16 })).data).toEqual(
    Uint8Array.from(deep.map(v => Math.round(v / 257))),
  )
})

test('the filtered rows of another encoder are read', () => {
  const circle = '<circle cx="20" cy="9" r="8" fill="#e07a5f" stroke="#3d405b" stroke-width="2"/>'
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 18"><rect width="40" height="18" fill="#81b29a"/>${circle}</svg>`
  const rendered = new Resvg(svg).render()
  expect(decodePng(rendered.asPng())).toEqual({
    width: 40,
    height: 18,
    data: Uint8Array.from(rendered.pixels.filter((_, i) => i % 4 !== 3)),
  })
})

test('palettes and grey of few bits are unpacked row by row', () => {
  const palette: [number, number, number, number][] = [
    [255, 0, 0, 255],
    [0, 255, 0, 255],
    [0, 0, 255, 0],
  ]
  const indexed = encode({ width: 3, height: 1, data: Uint8Array.of(0, 1, 2), channels: 1, palette })
  // fast-png writes only the alpha values that are not 255, so the first colour is the transparent one when read.
  expect(decodePng(indexed).data).toEqual(Uint8Array.of(255, 255, 255, 0, 255, 0, 0, 0, 255))
  // Depth 2, width 3: one byte a row with two bits of padding.
  const few = forged(header(3, 2, 2, 0), Uint8Array.of(0, 0b00_01_10_11, 0, 0b11_10_01_00))
  expect([...decodePng(few).data].filter((_, i) => i % 3 === 0)).toEqual([0, 85, 170, 255, 170, 85])
})

test('cut anywhere, it is refused', () => {
  const bytes = encodePng(image)
  for (let length = 0; length < bytes.length; length++) corrupt(bytes.subarray(0, length))
})

test('a flip of any byte is noticed', () => {
  const bytes = encodePng(image)
  for (let at = 0; at < bytes.length; at++) {
    const flipped = bytes.slice()
    flipped[at]! ^= 0x55
    corrupt(flipped)
  }
})

test('a header that lies about the size is refused, in both directions, before memory is taken', () => {
  const rows = new Uint8Array(8 * (1 + 8 * 3))
  expect(decodePng(forged(header(8, 8), rows)).width).toBe(8)
  for (const [width, height] of [
    [8, 9],
    [8, 7],
    [9, 8],
    [0, 8],
    [8, 0],
    [0xffffffff, 0xffffffff],
    [60000, 60000],
  ] as const) {
    corrupt(forged(header(width, height), rows))
  }
  corrupt(forged(header(8, 8), rows), { maxPixels: 63 })
  corrupt(forged(header(8, 8, 8, 5), rows))
  corrupt(forged(header(8, 8, 3), rows))
  corrupt(forged(header(8, 8, 8, 2, 2), rows))
  corrupt(forged(header(8, 8, 8, 3), new Uint8Array(8 * 9)))
})

test('pixel data that inflates without end is stopped at the size that the header declares', () => {
  corrupt(forged(header(8, 8), new Uint8Array(64 * 1024 * 1024)))
})

test('what is not a PNG is refused', () => {
  corrupt(new Uint8Array())
  corrupt(Buffer.from('<!doctype html>'))
})

test('an RgbImage must fit its data', () => {
  expect(checkRgbImage(image)).toBe(image)
  for (const bad of [
    { ...image, width: 12 },
    { ...image, width: 0, data: new Uint8Array() },
    { ...image, data: [...image.data] as never },
  ]) {
    expect(() => checkRgbImage(bad)).toThrow(expect.objectContaining({ code: 'shape-mismatch' }))
    expect(() => encodePng(bad)).toThrow(expect.objectContaining({ code: 'shape-mismatch' }))
  }
})

test('the changed region is where any channel differs by more than the threshold', () => {
  const target = { ...image, data: image.data.slice() }
  target.data[3 * 4 + 1]! ^= 4
  target.data[3 * 7]! ^= 64
  expect(equalImages(image, target)).toBe(false)
  const changed = (threshold?: number) => [...changedRegion(image, target, threshold)].flatMap((v, i) => (v ? [i] : []))
  expect(changed()).toEqual([4, 7])
  expect(changed(8)).toEqual([7])
  expect(() => changedRegion(image, { width: 1, height: 1, data: new Uint8Array(3) })).toThrow(
    expect.objectContaining({ code: 'shape-mismatch' }),
  )
})
