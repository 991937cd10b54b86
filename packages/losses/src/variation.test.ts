import * as tf from '@tensorflow/tfjs-core'
import { expect, test } from 'vitest'
import { nhwc, readFixture } from '../test/helpers.js'
import { expectClose, lossSuite, onEachBackend, value } from '../test/suite.js'
import { totalVariation } from './index.js'

const linear = totalVariation()
const quadratic = totalVariation({ power: 2 })

// The optimum is a flat image, wherever the target is.
lossSuite([
  { name: 'totalVariation', loss: linear, distance: linear, atEqual: false, left: 0.15 },
  { name: 'totalVariation, squared', loss: quadratic, distance: quadratic, atEqual: false },
])

onEachBackend(() => {
  test('values and gradient equal the reference implementation', () => {
    const fixture = readFixture('pixel_metrics.safetensors')
    const image = nhwc(fixture.a!)
    const black = tf.zerosLike(image)
    const sum = totalVariation({ reduction: 'sum' })
    const tolerance = { atol: 1e-4, rtol: 1e-5 }
    expectClose(sum(image, black), fixture.tv_mean!.data, tolerance)
    const second = tf.slice(image, [1, 0, 0, 0], [1, 9, 11, 3])
    expectClose(sum(second, tf.zerosLike(second)), [fixture.tv_per_image_sum!.data[1]!], tolerance)
    expectClose(quadratic(second, tf.zerosLike(second)), [fixture.tv_l2_per_image_mean!.data[1]!], tolerance)
    const gradient = tf.grad(x => tf.mul(sum(x as tf.Tensor4D, black), 3))(image)
    expectClose(tf.transpose(gradient, [0, 3, 1, 2]), fixture.grad_tv!.data, tolerance)
  })

  test('a flat image has none, and summed weights multiply', () => {
    const image = tf.tensor4d([0, 1, 0, 0], [1, 2, 2, 1])
    expect(value(linear(tf.fill([1, 3, 3, 1], 0.3), tf.zeros([1, 3, 3, 1])))).toBe(0)
    const weights = tf.tensor4d([3, 5, 0, 0], [1, 2, 2, 1])
    expect(value(totalVariation({ reduction: 'sum' })(image, image, { weights }))).toBe(8)
    expect(value(linear(image, image, { weights }))).toBeCloseTo(1 + 5 / 8, 5)
  })
})

test('options out of range are named', () => {
  expect(() => totalVariation({ power: 3 as 1 })).toThrow(/power must be 1 or 2, got 3/)
  expect(() => totalVariation({ reduction: 'none' as 'sum' })).toThrow(/reduction is "none"; it must be/)
})
