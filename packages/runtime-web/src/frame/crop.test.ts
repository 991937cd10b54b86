import { expect, test } from 'vitest'
import { type CropBox, fixedCrop, inverse, type Matrix, patchToFrame } from './crop.js'
import { shownPart, viewMatrix } from './view.js'

const apply = ([a, b, c, d, e, f]: Matrix, x: number, y: number): [number, number] => [
  a * x + c * y + e,
  b * x + d * y + f,
]

const close = (actual: readonly number[], expected: readonly number[]): void => {
  for (const [i, value] of actual.entries()) expect(value).toBeCloseTo(expected[i]!, 9)
}

test.each([
  [640, 480, 480],
  [480, 640, 480],
  [64, 64, 64],
])('the largest centred square of %i x %i', (width, height, side) => {
  const frame = { width, height }
  const square = { x: width / 2, y: height / 2, width: side, height: side, angle: 0 }
  const whole = { x: width / 2, y: height / 2, width, height, angle: 0 }
  expect(fixedCrop('centre-square', frame)).toEqual(square)
  expect(fixedCrop('face', frame)).toEqual(square)
  expect(fixedCrop('stretch', frame)).toEqual(whole)
  expect(['stretch', 'centre-square', 'face'].map(crop => shownPart(crop as 'face', frame))).toEqual([
    whole,
    square,
    whole,
  ])
})

test('a patch turns clockwise about the centre of its box', () => {
  const box: CropBox = { x: 100, y: 50, width: 40, height: 20, angle: Math.PI / 2 }
  const matrix = patchToFrame(box, { width: 8, height: 8 })
  close(apply(matrix, 4, 4), [100, 50])
  // The patch's upper left corner lies at the upper right of the turned box, its upper right at the lower right.
  close(apply(matrix, 0, 0), [110, 30])
  close(apply(matrix, 8, 0), [110, 70])
  close(apply(matrix, 0, 8), [90, 30])
})

test('the inverse undoes a crop', () => {
  const matrix = patchToFrame({ x: 31, y: 72, width: 50, height: 60, angle: 0.7 }, { width: 256, height: 128 })
  const [x, y] = apply(matrix, 12, 200)
  close(apply(inverse(matrix), x, y), [12, 200])
})

test('the output is covered without distortion, and mirrored about its middle', () => {
  const part = shownPart('stretch', { width: 640, height: 480 })
  const view = viewMatrix(part, { width: 200, height: 200 }, false)
  close(apply(view, 320, 240), [100, 100])
  close(apply(view, 80, 0), [0, 0])
  close(apply(view, 560, 480), [200, 200])
  const mirrored = viewMatrix(part, { width: 200, height: 200 }, true)
  close(apply(mirrored, 80, 0), [200, 0])
  close(apply(mirrored, 560, 480), [0, 200])
})
