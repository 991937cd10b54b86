import * as tf from '@tensorflow/tfjs-core'
import { expect, test } from 'vitest'
import { nhwc, randomImages, readFixture } from '../test/helpers.js'
import { expectClose, lossSuite, onEachBackend, value } from '../test/suite.js'
import { msSsim, multiScaleSimilarity } from './index.js'

const twoScales = { windowSize: 5, scaleWeights: [0.4, 0.6] }

lossSuite([{ name: 'msSsim', loss: msSsim(twoScales), side: 10, smallest: 9 }])

onEachBackend(() => {
  const fixture = readFixture('ms-ssim.safetensors')
  const images = (name: string) => nhwc(fixture[name]!, 1 / 255)

  test('MS-SSIM and its gradient equal the reference implementation, odd sides too', () => {
    const x = images('o.x_u8')
    const y = images('o.y_u8')
    const { value: similarity, grad } = tf.valueAndGrad(image => tf.sum(multiScaleSimilarity(image as tf.Tensor4D, y)))(
      x,
    )
    expectClose(similarity, fixture['o.ms_ssim']!.data, { atol: 2e-5 })
    const every3rd = tf.stridedSlice(grad, [0, 0, 0, 0], [1, 161, 171, 1], [1, 3, 3, 1])
    const expected = fixture['o.grad_ms_ssim_x_every3rd_pixel']!.data
    const largest = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 0)
    expectClose(every3rd, expected, { atol: 1e-7 + 0.002 * largest })
    expectClose(multiScaleSimilarity(x, tf.sub(1, x)), fixture['o.ms_ssim_negated']!.data, { atol: 2e-5 })
    // The result is the mean over channels.
    const both = multiScaleSimilarity(tf.concat([x, x], 3), tf.concat([y, tf.sub<tf.Tensor4D>(1, x)], 3))
    expect(value(both)).toBeCloseTo(fixture['o.ms_ssim']!.data[0]! / 2, 4)
    expect(value(msSsim()(x, y))).toBeCloseTo(1 - fixture['o.ms_ssim']!.data[0]!, 4)
  })

  test('an image like the negative has a similarity of 0 and no NaN in the gradient', () => {
    const x = randomImages([1, 12, 12, 3], 'x')
    const { value: loss, grad } = tf.valueAndGrad(image => msSsim(twoScales)(image as tf.Tensor4D, tf.sub(1, x)))(x)
    expect(value(loss)).toBe(1)
    expect(grad.dataSync().every(Number.isFinite)).toBe(true)
  })
})

test('options out of range are named', () => {
  expect(() => msSsim({ scaleWeights: [] })).toThrow(/scaleWeights must be one or more positive numbers/)
  expect(() => msSsim({ scaleWeights: [1, -1] })).toThrow(/got \[1, -1\]/)
  expect(() => msSsim({ windowSize: 2 })).toThrow(/msSsim: windowSize must be an odd positive integer, got 2/)
  const image = tf.zeros([1, 160, 160, 3]) as tf.Tensor4D
  expect(() => msSsim()(image, image)).toThrow(/at least 161 pixels on each side, got 160x160/)
})
