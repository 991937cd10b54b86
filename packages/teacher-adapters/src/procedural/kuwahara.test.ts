import { seededRandom } from '@fx/core'
import { describe, expect, test } from 'vitest'
import type { RgbImage } from '../index.js'
import { anisotropicKuwahara, type FloatImage, type KuwaharaOptions, naturalImages } from '../procedural.js'

const picture = (width: number, height: number, at: (x: number, y: number) => readonly number[]): RgbImage => ({
  width,
  height,
  data: Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3)
    return at(pixel % width, Math.floor(pixel / width))[i % 3]!
  }),
})
const toFloat = ({ width, height, data }: RgbImage): FloatImage => ({ width, height, data: Float32Array.from(data) })
const values = ({ width, height, data }: FloatImage, rows: [number, number], columns: [number, number]): number[] =>
  Array.from({ length: width * height }, (_, i) => [i % width, Math.floor(i / width), data[3 * i]!] as const)
    .filter(([x, y]) => x >= columns[0] && x < columns[1] && y >= rows[0] && y < rows[1])
    .map(([, , value]) => value)
const deviation = (list: readonly number[]): number => {
  const mean = list.reduce((sum, value) => sum + value, 0) / list.length
  return Math.sqrt(list.reduce((sum, value) => sum + (value - mean) ** 2, 0) / list.length)
}
const random = seededRandom('kuwahara')
const noisy = (value: number) => Math.round(value + 12 * random.normal())
const natural = naturalImages({ seed: 7, size: 40 })

test('a picture of one colour is kept', () => {
  const plain = picture(20, 14, () => [200, 31, 7])
  expect(anisotropicKuwahara(plain)).toEqual(plain)
})

test.each([
  ['upright', (x: number, _: number) => x < 16],
  ['slanting', (x: number, y: number) => x + 2 * y < 48],
])('an %s edge stays where it is and as sharp, and the noise beside it goes', (_, left) => {
  const clean = picture(32, 32, (x, y) => (left(x, y) ? [60, 60, 60] : [190, 190, 190]))
  const rough = picture(32, 32, (x, y) => new Array(3).fill(noisy(left(x, y) ? 60 : 190)))
  const before = toFloat(rough)
  const after = anisotropicKuwahara(before, { radius: 5 })
  let [wrong, kept] = [0, 0]
  for (let i = 0; i < clean.data.length; i++) {
    // A pixel on the wrong side of the middle is one over which the edge has moved.
    if (clean.data[i]! < 125 !== after.data[i]! < 125) wrong++
    kept += (after.data[i]! - clean.data[i]!) ** 2
  }
  const had = before.data.reduce((sum, value, i) => sum + (value - clean.data[i]!) ** 2, 0)
  expect(wrong / clean.data.length).toBeLessThan(0.005)
  expect(kept).toBeLessThan(0.25 * had)
})

test('strokes run along the edges: texture is smoothed more along its grain than across it', () => {
  // Stripes that waver along their length.
  const stripes = picture(48, 48, (x, y) => new Array(3).fill(noisy(120 + 60 * Math.sin(x / 3) + (y % 2))))
  const image = toFloat(stripes)
  const along = anisotropicKuwahara(image, { radius: 4 })
  const round = anisotropicKuwahara(image, { radius: 4, eccentricity: 1000 })
  const middle: [number, number] = [8, 40]
  const wavering = (painted: FloatImage): number => {
    const columns = Array.from({ length: 32 }, (_, i) => deviation(values(painted, middle, [i + 8, i + 9])))
    return columns.reduce((sum, value) => sum + value, 0)
  }
  expect(wavering(along)).toBeLessThan(0.8 * wavering(round))
  // And the stripes are still there.
  expect(deviation(values(along, middle, middle))).toBeGreaterThan(0.8 * deviation(values(image, middle, middle)))
})

test('the isotropic limit is a round brush: it does not ask which way edges run', () => {
  const image = toFloat(natural)
  const limit = anisotropicKuwahara(image, { radius: 3, eccentricity: 1000, sharpness: 1, threshold: 255 })
  const turned = anisotropicKuwahara(image, {
    radius: 3,
    eccentricity: 1000,
    sharpness: 1,
    threshold: 255,
    smoothing: 8,
  })
  const bent = anisotropicKuwahara(image, { radius: 3, sharpness: 1, threshold: 255, smoothing: 8 })
  const gap = (a: FloatImage, b: FloatImage) =>
    Math.sqrt(a.data.reduce((sum, value, i) => sum + (value - b.data[i]!) ** 2, 0) / a.data.length)
  // Sectors still begin at the direction of the edge, hence not zero.
  expect(gap(limit, turned)).toBeLessThan(0.35 * gap(limit, bent))
})

test('a mean over the brush when all sectors count alike', () => {
  const image = toFloat(picture(31, 31, (x, y) => (x === 15 && y === 15 ? [255, 255, 255] : [0, 0, 0])))
  const painted = anisotropicKuwahara(image, {
    radius: 6,
    eccentricity: 1000,
    sharpness: 1,
    threshold: 255,
    smoothing: 0,
  })
  // One point becomes a spot that falls off towards the rim of the brush and is nothing outside it.
  const at = (x: number, y: number) => painted.data[(y * 31 + x) * 3]!
  expect(at(15, 15)).toBeGreaterThan(at(18, 15))
  expect(at(18, 15)).toBeGreaterThan(at(20, 15))
  expect(at(20, 15)).toBeGreaterThan(0)
  expect(at(22, 15)).toBe(0)
  expect(at(15, 9 - 1)).toBe(0)
})

test('a picture on its side is painted on its side', () => {
  const turn = ({ width, height, data }: FloatImage): FloatImage => {
    const turned = new Float32Array(data.length)
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        turned.set(data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3), (x * height + (height - 1 - y)) * 3)
      }
    }
    return { width: height, height: width, data: turned }
  }
  const image = toFloat({ width: 40, height: 30, data: natural.data.slice(0, 40 * 30 * 3) })
  const painted = turn(anisotropicKuwahara(image, { radius: 5 }))
  const turned = anisotropicKuwahara(turn(image), { radius: 5 })
  const worst = painted.data.reduce((most, value, i) => Math.max(most, Math.abs(value - turned.data[i]!)), 0)
  expect(worst).toBeLessThan(0.02)
})

test('strength mixes the picture with the painting', () => {
  const [none, half, full] = [0, 0.5, 1].map(strength => anisotropicKuwahara(natural, { strength })) as [
    RgbImage,
    RgbImage,
    RgbImage,
  ]
  expect(none).toEqual(natural)
  expect(full).not.toEqual(natural)
  for (let i = 0; i < half.data.length; i++) {
    expect(Math.abs(half.data[i]! - (natural.data[i]! + full.data[i]!) / 2)).toBeLessThanOrEqual(1)
  }
})

test('bytes are the rounded floats, and the input is left alone', () => {
  const before = natural.data.slice()
  const floats = anisotropicKuwahara(toFloat(natural))
  expect([...anisotropicKuwahara(natural).data]).toEqual([...floats.data].map(Math.round))
  expect(natural.data).toEqual(before)
})

describe('every size and option gives finite values between the darkest and the brightest', () => {
  test.each<[number, number, KuwaharaOptions]>([
    [1, 1, {}],
    [1, 9, {}],
    [17, 2, { radius: 1 }],
    [12, 12, { radius: 64 }],
    [16, 16, { sharpness: 32, threshold: 0.1 }],
    [16, 16, { eccentricity: 0.1 }],
    [16, 16, { smoothing: 0 }],
  ])('%i x %i, %o', (width, height, options) => {
    const { uniform } = seededRandom('sizes', width, height)
    const image: FloatImage = {
      width,
      height,
      data: Float32Array.from({ length: width * height * 3 }, () => 40 + 180 * uniform()),
    }
    const painted = anisotropicKuwahara(image, options)
    expect(painted.data.length).toBe(image.data.length)
    for (const value of painted.data) {
      expect(value).toBeGreaterThan(39.9)
      expect(value).toBeLessThan(220.1)
    }
  })
})

test.each<[KuwaharaOptions, RegExp]>([
  [{ radius: 0 }, /radius is 0; it must be a number from 1 to 64/],
  [{ sharpness: Number.NaN }, /sharpness is NaN/],
  [{ threshold: 0 }, /threshold is 0/],
  [{ eccentricity: -1 }, /eccentricity is -1/],
  [{ smoothing: 100 }, /smoothing is 100/],
  [{ strength: 1.5 }, /strength is 1.5; it must be a number from 0 to 1/],
])('%o is refused', (options, message) => {
  expect(() => anisotropicKuwahara(natural, options)).toThrow(
    expect.objectContaining({ code: 'invalid-argument', message: expect.stringMatching(message) }),
  )
})

test('data that do not fit the size are refused', () => {
  for (const data of [new Uint8Array(5), new Float32Array(5)]) {
    expect(() => anisotropicKuwahara({ width: 2, height: 2, data } as RgbImage)).toThrow(
      expect.objectContaining({ code: 'shape-mismatch' }),
    )
  }
})
