import { expect, test } from 'vitest'
import { cropRectangle } from './geometry.js'

test.each([
  [640, 480, { x: 80, y: 0, width: 480, height: 480 }],
  [480, 640, { x: 0, y: 80, width: 480, height: 480 }],
  [64, 64, { x: 0, y: 0, width: 64, height: 64 }],
])('the largest centred square of %i x %i', (width, height, expected) => {
  expect(cropRectangle('centre-square', width, height)).toEqual(expected)
  expect(cropRectangle('stretch', width, height)).toEqual({ x: 0, y: 0, width, height })
})
