import * as tf from '@tensorflow/tfjs-core'
import { expect, test } from 'vitest'
import { onEachBackend, value } from '../test/suite.js'
import { changeWeights, l1, maskWeights } from './index.js'

onEachBackend(() => {
  test('a mask becomes weights, and the region counts by them', () => {
    const mask = tf.tensor4d([0, 0.5, 1, 7], [1, 1, 4, 1])
    expect([...maskWeights(mask, { inside: 5, outside: 1 }).dataSync()]).toEqual([1, 3, 5, 5])
    const weights = maskWeights(tf.tensor4d([0, 1], [1, 1, 2, 1]), { inside: 3 })
    const error = (inside: number, outside: number) =>
      value(l1()(tf.tensor4d([outside, inside], [1, 1, 2, 1]), tf.zeros([1, 1, 2, 1]), { weights }))
    expect(error(1, 0)).toBeCloseTo(0.75, 6)
    expect(error(0, 1)).toBeCloseTo(0.25, 6)
  })

  test('what an effect changed in any channel counts, with a margin', () => {
    const input = tf.zeros([1, 5, 5, 3]) as tf.Tensor4D
    const values = new Float32Array(75)
    values[(2 * 5 + 3) * 3 + 1] = -0.5
    values[0] = 3 / 255
    const target = tf.tensor4d(values, [1, 5, 5, 3])
    const weights = changeWeights(input, target)
    expect(value(tf.sum(weights))).toBe(24 + 8)
    expect(weights.arraySync()[0]![2]![3]).toEqual([8])
    const wide = changeWeights(input, target, { margin: 1, changed: 2, unchanged: 0 })
    expect(value(tf.sum(wide))).toBe(18)
    expect(value(tf.sum(changeWeights(input, target, { threshold: 0 })))).toBe(23 + 16)
  })

  test('they leave nothing behind', () => {
    const image = tf.zeros([1, 4, 4, 3]) as tf.Tensor4D
    const before = tf.memory().numTensors
    changeWeights(image, image, { margin: 1 }).dispose()
    expect(() => changeWeights(image, tf.zeros([1, 4, 5, 3]))).toThrow(/one shape/)
    expect(tf.memory().numTensors).toBe(before + 1)
  })
})

test('options and masks out of range are named', () => {
  const image = tf.zeros([1, 4, 4, 3]) as tf.Tensor4D
  expect(() => maskWeights(image)).toThrow(/the mask must be \[N, H, W, 1\], got \[1, 4, 4, 3\]/)
  expect(() => maskWeights(image, { inside: -1 })).toThrow(/inside must be a finite number of at least 0, got -1/)
  expect(() => changeWeights(image, image, { margin: 0.5 })).toThrow(/margin must be a whole number/)
  expect(() => changeWeights(image, image, { threshold: Number.NaN })).toThrow(/threshold must be/)
})
