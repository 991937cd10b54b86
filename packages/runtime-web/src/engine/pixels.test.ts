import { describe, expect, test } from 'vitest'
import { inputTable, readOutput, toRgba, writeInput } from './pixels.js'

const bytes = Uint8ClampedArray.from({ length: 256 * 4 }, (_, i) => (i % 4 === 3 ? i % 251 : (i >> 2) ^ (i % 4)))

test('RGB becomes opaque', () => {
  expect([...toRgba(Uint8Array.of(1, 2, 3, 254, 255, 0))]).toEqual([1, 2, 3, 255, 254, 255, 0, 255])
})

describe.each([[[0, 1]], [[-1, 1]], [[-0.5, 2]]] as const)('range %j', range => {
  const [low, high] = range

  test('bytes are spread over it and come back unchanged, alpha becomes opaque', () => {
    const values = new Float32Array(256 * 3)
    writeInput(bytes, inputTable(range), values)
    expect([Math.min(...values), Math.max(...values)]).toEqual([low, high])
    const back = new Uint8ClampedArray(bytes.length)
    readOutput(values, range, 3, back)
    expect(back).toEqual(bytes.map((byte, i) => (i % 4 === 3 ? 255 : byte)))
  })

  test('what lies beyond it is clamped; alpha is from 0 to 1 whatever it is', () => {
    const values = Float32Array.of(low - 1, high + 1, (low + high) / 2, 0.5, low, high, low, 2, low, low, low, -1)
    const rgba = new Uint8ClampedArray(12)
    readOutput(values, range, 4, rgba)
    expect([...rgba]).toEqual([0, 255, 128, 128, 0, 255, 0, 255, 0, 0, 0, 0])
  })
})
