import * as tf from '@tensorflow/tfjs-core'
import { expect, test } from 'vitest'
import { randomImages } from '../test/helpers.js'
import { lossSuite, onEachBackend, value } from '../test/suite.js'
import { colourMoments } from './index.js'

const loss = colourMoments()

// Where colours are is invisible to moments, so the descent is judged on the loss itself.
lossSuite([{ name: 'colourMoments', loss, distance: loss }])

onEachBackend(() => {
  test('it is the difference of mean, standard deviation and cube root of the third moment', () => {
    const p = tf.tensor4d([0, 0, 0, 1], [1, 2, 2, 1])
    const t = tf.tensor4d([0.5, 0.5, 0.5, 0.5], [1, 2, 2, 1])
    const only = (...momentWeights: [number, number, number]) => value(colourMoments({ momentWeights })(p, t))
    expect(only(1, 0, 0)).toBeCloseTo(0.25, 5)
    expect(only(0, 1, 0)).toBeCloseTo(Math.sqrt(3 / 16), 2)
    expect(only(0, 0, 1)).toBeCloseTo(Math.cbrt((3 * -(0.25 ** 3) + 0.75 ** 3) / 4), 3)
    expect(only(2, 1, 1)).toBeCloseTo(2 * only(1, 0, 0) + only(0, 1, 0) + only(0, 0, 1), 5)
  })

  test('it does not see where colours are, and weights choose the pixels', () => {
    const image = randomImages([1, 4, 4, 3], 'image')
    expect(value(loss(tf.reverse(image, [1, 2]), image))).toBeLessThan(1e-5)
    const outside = tf.concat([image, tf.ones([1, 4, 4, 3])], 2) as tf.Tensor4D
    const weights = tf.concat([tf.ones([1, 4, 4, 1]), tf.zeros([1, 4, 4, 1])], 2) as tf.Tensor4D
    expect(value(loss(outside, tf.concat([image, image], 2) as tf.Tensor4D, { weights }))).toBeLessThan(1e-5)
  })
})

test('weights of moments out of range are named', () => {
  expect(() => colourMoments({ momentWeights: [0, 0, 0] })).toThrow(/not all 0, got \[0, 0, 0\]/)
  expect(() => colourMoments({ momentWeights: [1, -1, 0] })).toThrow(/got \[1, -1, 0\]/)
})
