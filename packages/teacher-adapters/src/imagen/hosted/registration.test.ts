import { describe, expect, test } from 'vitest'
import { images as answers, edit, hostedServer, photograph } from '../../../test/hosted-server.js'
import { difference, hostedTeacher } from '../../../test/hosted-teacher.js'
import { encodePng, type RgbImage } from '../../index.js'
import { resample } from './resample.js'

const size = 64
const server = hostedServer()
const { run } = hostedTeacher(server, size)

/** An edit that the service draws into a larger picture: at (left, top), `width` x `height`, bars around it. */
const drawn = (
  left: number,
  top: number,
  width: number,
  height: number,
  onto = [width, height],
  bars = 200,
): RgbImage => {
  const [w, h] = onto as [number, number]
  const large = resample(edit(photograph(0, size), 1), { left: 0, top: 0, width: size, height: size }, width, height)
  const data = new Uint8Array(w * h * 3).fill(bars)
  for (let y = Math.max(0, top); y < Math.min(h, top + height); y++) {
    for (let x = Math.max(0, left); x < Math.min(w, left + width); x++) {
      const from = 3 * ((y - top) * width + x - left)
      data.set(large.data.subarray(from, from + 3), 3 * (y * w + x))
    }
  }
  return { width: w, height: h, data }
}

const pairOf = async (answer: RgbImage) => {
  server.reply = answers({ data: encodePng(answer) })
  const { pairs, skipped } = await run()
  return { pair: pairs[0], skipped, facts: pairs[0]?.provenance.extra }
}
const truth = edit(photograph(0, size), 1)

describe('an answer is laid over its input', () => {
  test.each([
    ['of the same size', drawn(0, 0, 64, 64), 0.001],
    ['of twice the size', drawn(0, 0, 128, 128), 1],
    ['of an odd size', drawn(0, 0, 101, 101), 1.5],
    ['of half the size', drawn(0, 0, 32, 32), 8],
    ['stretched', drawn(0, 0, 136, 128), 1.2],
    ['with bars at its sides', drawn(40, 0, 128, 128, [208, 128]), 1],
    ['with bars above, below and beside', drawn(30, 20, 100, 100, [160, 140], 0), 1.5],
  ])('%s', async (_, answer, tolerance) => {
    const { pair, facts } = await pairOf(answer)
    expect(difference(pair!.target.data, truth.data)).toBeLessThan(tolerance)
    expect(facts!.moved).toBe(0)
  })

  test.each([
    [0.02, 0, 1],
    [-0.015, 0.03, 1],
    [0.04, -0.04, 1],
    [0, 0, 1.05],
    [0.01, 0.02, 0.96],
  ])('displaced by %f, %f of its side and magnified by %f', async (dx, dy, zoom) => {
    const { pair, facts } = await pairOf(edit(photograph(0, 128, dx, dy, zoom), 1))
    expect(facts!.shiftX).toBeCloseTo(size * dx, 0)
    expect(facts!.shiftY).toBeCloseTo(size * dy, 0)
    for (const found of [facts!.zoomX, facts!.zoomY]) expect(Math.abs(Number(found) - zoom)).toBeLessThan(0.012)
    expect(facts!.moved).toBe(0)
    // The strip that the answer lacks is the input's, and the disc may be cut by it.
    expect(difference(pair!.target.data, truth.data)).toBeLessThan(3)
  })

  test('though everything has another tone', async () => {
    const answer = edit(photograph(0, 128, 0.03), 1)
    const darker = { ...answer, data: answer.data.map(value => value * 0.85 + 10) }
    server.reply = answers({ data: encodePng(darker) })
    const { pairs } = await run({ alignment: { maxDrift: 40, maxChanged: 1 } })
    expect(pairs[0]!.provenance.extra!.shiftX).toBeCloseTo(0.03 * size, 0)
  })

  test('by what lies outside the mask, when there is one', async () => {
    // Inside the mask everything is new, and taken alone it would seem displaced.
    const alpha = Uint8Array.from({ length: size * size }, (_, i) => (i % size < 40 ? 255 : 0))
    const moved = photograph(0, size)
    const answer = { ...moved, data: moved.data.slice() }
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < 38; x++) {
        const from = 3 * (y * size + x + 2)
        answer.data.set(moved.data.subarray(from, from + 3), 3 * (y * size + x))
      }
    }
    server.reply = answers({ data: encodePng(answer) })
    const { pairs } = await run({ mask: { version: '1', of: () => alpha }, alignment: false })
    expect(pairs[0]!.provenance.extra).toMatchObject({ shiftX: 0, shiftY: 0, zoomX: 1, zoomY: 1 })
    expect(pairs[0]!.target.data).toEqual(
      moved.data.map((value, i) => (Math.floor(i / 3) % size < 40 ? answer.data[i]! : value)),
    )
  })
})

test('far displaced answers are refused, not bent into shape', async () => {
  const { skipped } = await pairOf(edit(photograph(0, 128, 0.25, 0.2), 1))
  expect(skipped).toMatchObject([{ reason: 'misaligned' }])
})

test('another picture is refused though its colours hardly differ', async () => {
  const hazy = (image: RgbImage): RgbImage => ({ ...image, data: image.data.map(value => 90 + value * 0.1) })
  const input = hazy(photograph(0, size))
  const pixel = (i: number) => size * size - 1 - Math.floor(i / 3)
  const turned = { ...input, data: input.data.map((_, i) => input.data[3 * pixel(i) + (i % 3)]!) }
  for (let y = 10; y < 18; y++) turned.data.fill(255, 3 * (y * size + 10), 3 * (y * size + 18))
  server.reply = answers({ data: encodePng(turned) })
  const images = { id: 'hazy', count: 1, load: async () => [input] }
  const { skipped } = await run({ images })
  expect(skipped).toMatchObject([{ reason: 'misaligned', message: expect.stringMatching(/minLikeness is 0\.4/) }])
  expect((await run({ images, alignment: { minLikeness: -1 } })).pairs).toHaveLength(1)
})
