import { sha256Hex } from '@fx/core'
import { expect, test } from 'vitest'
import { naturalImages } from '../procedural.js'

const SIZE = 64
const pictures = Array.from({ length: 32 }, (_, seed) => naturalImages({ seed, size: SIZE }))

const brightness = (data: Uint8Array): Float64Array =>
  Float64Array.from(
    { length: data.length / 3 },
    (_, i) => 0.299 * data[3 * i]! + 0.587 * data[3 * i + 1]! + 0.114 * data[3 * i + 2]!,
  )

/** Power along the rows at each frequency, the mean over rows; the ends of a row are faded out. */
const rowPower = (values: Float64Array): Float64Array => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const power = new Float64Array(SIZE / 2)
  for (let row = 0; row < SIZE; row++) {
    for (let f = 1; f < SIZE / 2; f++) {
      let [real, imaginary] = [0, 0]
      for (let x = 0; x < SIZE; x++) {
        const value = (values[row * SIZE + x]! - mean) * Math.sin((Math.PI * (x + 0.5)) / SIZE) ** 2
        real += value * Math.cos((2 * Math.PI * f * x) / SIZE)
        imaginary += value * Math.sin((2 * Math.PI * f * x) / SIZE)
      }
      power[f] = power[f]! + (real * real + imaginary * imaginary) / SIZE
    }
  }
  return power
}

test('the same seed gives the same bytes, in any order, and every seed another picture', () => {
  expect(naturalImages({ seed: 5, size: SIZE })).toEqual(pictures[5])
  expect(new Set(pictures.map(({ data }) => sha256Hex(data))).size).toBe(pictures.length)
})

test('power falls with the square of the frequency, as along the lines of photographs', () => {
  const total = new Float64Array(SIZE / 2)
  for (const { data } of pictures) {
    rowPower(brightness(data)).forEach((power, f) => {
      total[f] = total[f]! + power
    })
  }
  // The slope of log power over log frequency, by least squares.
  const points = Array.from({ length: 16 }, (_, i) => [Math.log(i + 3), Math.log(total[i + 3]!)] as const)
  const [x, y] = [0, 1].map(axis => points.reduce((sum, point) => sum + point[axis]!, 0) / points.length) as [
    number,
    number,
  ]
  const slope =
    points.reduce((sum, [a, b]) => sum + (a - x) * (b - y), 0) / points.reduce((sum, [a]) => sum + (a - x) ** 2, 0)
  expect(slope).toBeGreaterThan(-2.5)
  expect(slope).toBeLessThan(-1.7)
})

test('pictures differ as photographs do: dark and bright, calm and rough, dull and vivid', () => {
  const facts = pictures.map(({ data }) => {
    const values = brightness(data)
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length
    const steps = values.reduce((sum, value, i) => sum + (i % SIZE === 0 ? 0 : Math.abs(value - values[i - 1]!)), 0)
    let colour = 0
    for (let i = 0; i < data.length; i += 3) {
      colour += Math.max(data[i]!, data[i + 1]!, data[i + 2]!) - Math.min(data[i]!, data[i + 1]!, data[i + 2]!)
    }
    return { mean, roughness: steps / values.length, colour: colour / values.length }
  })
  const spread = (of: (fact: (typeof facts)[number]) => number): number => {
    const sorted = facts.map(of).sort((a, b) => a - b)
    return sorted.at(-3)! / sorted[2]!
  }
  expect(spread(fact => fact.mean)).toBeGreaterThan(1.5)
  expect(spread(fact => fact.roughness)).toBeGreaterThan(4)
  expect(spread(fact => fact.colour)).toBeGreaterThan(3)
  // No picture is a single colour.
  for (const { roughness } of facts) expect(roughness).toBeGreaterThan(0.2)
})

test('any size', () => {
  for (const size of [16, 33, 100]) {
    const { width, height, data } = naturalImages({ seed: 1, size })
    expect([width, height, data.length]).toEqual([size, size, size * size * 3])
  }
})

test.each([
  [{ seed: -1, size: 64 }, /seed is -1/],
  [{ seed: 0.5, size: 64 }, /seed is 0.5/],
  [{ seed: 0, size: 15 }, /size is 15; it must be a whole number from 16 to 1024/],
  [{ seed: 0, size: 2000 }, /size is 2000/],
])('%o is refused', (options, message) => {
  expect(() => naturalImages(options)).toThrow(
    expect.objectContaining({ code: 'invalid-argument', message: expect.stringMatching(message) }),
  )
})
