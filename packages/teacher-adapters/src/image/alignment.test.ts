import { seededRandom } from '@fx/core'
import { describe, expect, test } from 'vitest'
import type { RgbImage } from '../index.js'
import { judgeAlignment } from '../stylegan2.js'

type Colour = readonly [number, number, number]

/** A picture of rings and stripes with soft edges, displaced by (dx, dy), with a disc of a colour in it. */
const picture = (side: number, disc: Colour, dx = 0, dy = 0): RgbImage => {
  const data = new Uint8Array(side * side * 3)
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const [u, v] = [(64 * (x - dx)) / side, (64 * (y - dy)) / side]
      const rings = 128 + 70 * Math.sin(Math.hypot(u - 10, v - 50) / 2.5)
      const stripes = 128 + 60 * Math.sin((u + 0.4 * v) / 3)
      const inside = Math.hypot(u - 36, v - 28) < 14
      const colour = inside ? disc : [rings, stripes, 255 - rings]
      data.set(colour.map(Math.round), 3 * (y * side + x))
    }
  }
  return { width: side, height: side, data }
}

const noisy = (image: RgbImage, amount: number): RgbImage => {
  const random = seededRandom('noisy')
  return { ...image, data: image.data.map(v => Math.min(255, Math.max(0, v + amount * random.normal()))) }
}

const red: Colour = [200, 40, 40]
const blue: Colour = [40, 60, 210]

describe.each([16, 32, 64, 128, 512])('at %i pixels', side => {
  const input = picture(side, red)

  test('a disc of another colour is accepted, also when everything else changes a little', () => {
    for (const target of [picture(side, blue), noisy(picture(side, blue), 4)]) {
      const { scores, broken } = judgeAlignment(input, target)
      expect(broken).toBeUndefined()
      // The disc covers 15 % of the picture.
      expect(scores.changed).toBeGreaterThan(0.1)
      expect(scores.changed).toBeLessThan(0.2)
      expect(scores.drift).toBeLessThan(5)
      expect(scores.moved).toBe(0)
    }
  })

  test('an unchanged pair is rejected: the edit did not show', () => {
    for (const target of [input, noisy(input, 3)]) {
      expect(judgeAlignment(input, target).broken).toEqual({ limit: 'minChanged', score: 0 })
    }
  })

  test.each([
    [1, 0],
    [0, -1],
    [-1, 1],
  ])('a pair displaced by (%i, %i) is rejected, with and without an edit', (x, y) => {
    const [dx, dy] = [x, y].map(v => v * Math.max(1, side / 128)) as [number, number]
    for (const colour of [red, blue]) {
      const { scores, broken } = judgeAlignment(input, picture(side, colour, dx, dy), { maxChanged: 1 })
      expect(scores.moved).toBeGreaterThan(0.5)
      expect(broken?.limit).toBe('maxMoved')
    }
  })

  test('something that appears has not moved', () => {
    const target = { ...input, data: input.data.slice() }
    // A frame as thin as glasses, along the border of a tile.
    for (let x = side / 4; x < (3 * side) / 4; x++) {
      for (const y of [side / 4, side / 2 - 1]) target.data.set([0, 0, 0], 3 * (y * side + x))
    }
    expect(judgeAlignment(input, target).broken).toBeUndefined()
    expect(judgeAlignment(target, input).broken).toBeUndefined()
  })
})

test('another picture is rejected, and so is one whose every colour changes', () => {
  const input = picture(64, red)
  const other = { ...input, data: input.data.map((_, i, all) => all[all.length - 1 - i]!) }
  expect(judgeAlignment(input, other).broken?.limit).toBe('maxChanged')
  const darker = { ...picture(64, blue), data: picture(64, blue).data.map(v => v * 0.88) }
  const { scores, broken } = judgeAlignment(input, darker)
  expect(broken).toEqual({ limit: 'maxDrift', score: scores.drift })
  expect(judgeAlignment(input, darker, { maxDrift: 30 }).broken).toBeUndefined()
})

test('limits can be set, within reason', () => {
  const [input, target] = [picture(64, red), picture(64, blue)]
  expect(judgeAlignment(input, target, { minChanged: 0.3 }).broken?.limit).toBe('minChanged')
  expect(judgeAlignment(input, target, { maxChanged: 0.05 }).broken?.limit).toBe('maxChanged')
  expect(judgeAlignment(input, target, { threshold: 250 }).broken?.limit).toBe('minChanged')
  for (const bad of [{ threshold: 300 }, { minChanged: -1 }, { maxChanged: 0.001 }, { maxDrift: Number.NaN }]) {
    expect(() => judgeAlignment(input, target, bad)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
  }
  const flat = { width: 128, height: 32, data: new Uint8Array(128 * 32 * 3) }
  for (const [a, b] of [
    [input, picture(32, red)],
    [flat, flat],
    [input, { ...target, height: 63 }],
  ] as const) {
    expect(() => judgeAlignment(a, b)).toThrow(expect.objectContaining({ code: 'shape-mismatch' }))
  }
})
