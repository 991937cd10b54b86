import * as tf from '@tensorflow/tfjs-core'
import { expect, test } from 'vitest'
import { nhwc, randomImages, readFixture } from '../test/helpers.js'
import { lossSuite, onEachBackend, value } from '../test/suite.js'
import { charbonnier, gradientLoss, l1, l2, sobelLoss, ssim, structuralSimilarity } from './index.js'

lossSuite([
  { name: 'l1', loss: l1() },
  { name: 'l2', loss: l2() },
  { name: 'charbonnier', loss: charbonnier({ epsilon: 0.01 }) },
  { name: 'ssim', loss: ssim({ windowSize: 5 }), smallest: 5 },
  // A constant offset is invisible to the losses of edges, so they are judged on what they measure.
  { name: 'gradientLoss', loss: gradientLoss(), distance: gradientLoss(), smallest: 2 },
  { name: 'sobelLoss', loss: sobelLoss(), distance: sobelLoss(), smallest: 3 },
])

onEachBackend(() => {
  test('l1, l2 and charbonnier equal their definitions', () => {
    const p = tf.tensor4d([0.1, 0.5, 0.9, 0.4], [1, 2, 2, 1])
    const t = tf.tensor4d([0.1, 0.7, 0.4, 0.5], [1, 2, 2, 1])
    expect(value(l1()(p, t))).toBeCloseTo((0 + 0.2 + 0.5 + 0.1) / 4, 6)
    expect(value(l2()(p, t))).toBeCloseTo((0 + 0.04 + 0.25 + 0.01) / 4, 6)
    const rho = (d: number) => Math.sqrt(d * d + 0.01)
    const mean = (rho(0) + rho(0.2) + rho(0.5) + rho(0.1)) / 4
    expect(value(charbonnier({ epsilon: 0.1 })(p, t))).toBeCloseTo(mean, 6)
  })

  test('the gradient loss compares signed steps', () => {
    const p = tf.tensor4d([0, 1, 0, 1], [1, 2, 2, 1])
    const t = tf.tensor4d([1, 0, 1, 0], [1, 2, 2, 1])
    expect(value(gradientLoss()(p, t))).toBeCloseTo(2, 6)
    expect(value(gradientLoss()(p, tf.add(p, 0.3)))).toBeCloseTo(0, 6)
  })

  test('the Sobel loss is the difference of slopes', () => {
    const ramp = tf.tile(tf.reshape(tf.range(0, 5), [1, 1, 5, 1]), [1, 4, 1, 1]) as tf.Tensor4D
    expect(value(sobelLoss()(ramp, tf.mul<tf.Tensor4D>(ramp, 3)))).toBeCloseTo(2, 5)
    expect(value(sobelLoss()(ramp, tf.add<tf.Tensor4D>(ramp, 3)))).toBeCloseTo(0, 5)
    const corner = tf.tensor4d([0, 0, 0, 0, 0, 0, 0, 0, 8], [1, 3, 3, 1])
    expect(value(sobelLoss()(corner, tf.zerosLike(corner)))).toBeCloseTo(2, 5)
  })

  test('SSIM and its gradient equal the reference implementation', () => {
    const fixture = readFixture('ssim.safetensors')
    const x = nhwc(fixture['s.x_u8']!, 1 / 255)
    const y = nhwc(fixture['s.y_u8']!, 1 / 255)
    const close = (actual: tf.Tensor, name: string, tolerance = 2e-5) => {
      const expected = fixture[name]!.data
      actual.dataSync().forEach((v, i) => {
        expect(Math.abs(v - expected[i]!), name).toBeLessThanOrEqual(tolerance)
      })
    }
    close(structuralSimilarity(x, y), 's.ssim')
    close(structuralSimilarity(tf.mul(x, 255), tf.mul(y, 255), { dataRange: 255 }), 's.ssim_range255')
    close(structuralSimilarity(x, tf.sub(1, x)), 's.ssim_negated_image')
    close(structuralSimilarity(x, y, { windowSize: 7, sigma: 1 }), 's.ssim_win7_sigma1')
    close(structuralSimilarity(x, y, { k2: 0.4 }), 's.ssim_K2_0.4')
    const gradient = tf.grad(image => tf.sum(structuralSimilarity(image as tf.Tensor4D, y)))(x)
    const expected = nhwc(fixture['s.grad_ssim_x']!)
    const scale = value(tf.max(tf.abs(expected)) as tf.Scalar)
    close(tf.transpose(gradient, [0, 3, 1, 2]), 's.grad_ssim_x', 1e-7 + 0.002 * scale)
    expect(value(ssim()(x, y))).toBeCloseTo(1 - (fixture['s.ssim']!.data[0]! + fixture['s.ssim']!.data[1]!) / 2, 4)
  })

  test('L1 leaves pixels alone that equal their target', () => {
    const image = randomImages([1, 4, 4, 3], 'same')
    const gradient = tf.grad(x => l1()(x as tf.Tensor4D, image))(image)
    expect(gradient.dataSync().every(v => v === 0)).toBe(true)
  })
})

test('options out of range are named', () => {
  expect(() => charbonnier({ epsilon: 0 })).toThrow(/epsilon must be positive, got 0/)
  expect(() => ssim({ windowSize: 4 })).toThrow(/odd positive integer, got 4/)
  expect(() => ssim({ sigma: Number.NaN })).toThrow(/sigma must be positive/)
  expect(() => ssim()(tf.zeros([1, 8, 8, 3]), tf.zeros([1, 8, 8, 3]))).toThrow(/at least 11 pixels/)
})
