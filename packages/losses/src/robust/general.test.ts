import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, test } from 'vitest'
import { randomImages, readFixture } from '../../test/helpers.js'
import { expectClose, expectGradientMatches, lossSuite, onEachBackend, value } from '../../test/suite.js'
import { generalRobust, l2, robustPenalty } from '../index.js'

lossSuite([
  { name: 'generalRobust', loss: generalRobust() },
  { name: 'generalRobust, Geman-McClure', loss: generalRobust({ alpha: -2, scale: 0.2 }) },
  { name: 'generalRobust, Welsch', loss: generalRobust({ alpha: Number.NEGATIVE_INFINITY, scale: 0.2 }) },
])

onEachBackend(() => {
  const fixture = readFixture('barron_general.safetensors')
  const golden = (name: string) => fixture[name]!.data
  const grid = () => ({
    alpha: tf.tensor(golden('alpha'), [17, 1, 1]),
    scale: tf.tensor(golden('c'), [1, 3, 1]),
    x: tf.tensor(golden('x'), [1, 1, 13]),
  })

  describe('the penalty equals the reference implementation', () => {
    const everywhere = (tensor: tf.Tensor) => tf.broadcastTo(tensor, [17, 3, 13])

    test('value and gradients over error, alpha and scale', () => {
      const { x, alpha, scale } = grid()
      expectClose(robustPenalty(x, alpha, scale), golden('loss'), { atol: 1e-6, rtol: 1e-4 })
      const gradients = tf.grads((...inputs) => tf.sum(robustPenalty(inputs[0]!, inputs[1]!, inputs[2]!)))
      const [overX, overAlpha, overScale] = gradients([everywhere(x), everywhere(alpha), everywhere(scale)])
      expectClose(overX!, golden('grad_x'), { atol: 1e-5, rtol: 1e-3 })
      expectClose(overScale!, golden('grad_c'), { atol: 1e-5, rtol: 1e-3 })
      // At 0 the reference gives 0 for convenience; ours has a derivative there.
      const [actual, expected] = [overAlpha!.dataSync(), golden('grad_alpha')]
      const rows = Array.from(golden('alpha')).flatMap((a, row) => (a === 0 ? [] : [row]))
      const pick = (values: ArrayLike<number>) => rows.flatMap(row => Array.from(values).slice(row * 39, row * 39 + 39))
      expectClose(pick(actual), pick(expected), { atol: 2e-4, rtol: 5e-3 })
    })

    test('over broadcast alphas and scales, gradients are summed', () => {
      const { x, alpha, scale } = grid()
      const [overAlpha, overScale] = tf.grads((...inputs) => tf.sum(robustPenalty(x, inputs[0]!, inputs[1]!)))([
        alpha,
        scale,
      ])
      expect(overAlpha!.shape).toEqual([17, 1, 1])
      const whole = tf.sum(tf.tensor(golden('grad_c'), [17, 3, 13]), [0, 2], true)
      expectClose(overScale!, whole.dataSync(), { atol: 1e-3, rtol: 1e-3 })
    })

    test('with fixed alphas, infinite ones too', () => {
      const { x } = grid()
      const valueAndGrad = (f: (x: tf.Tensor) => tf.Tensor): [tf.Tensor, tf.Tensor] => [f(x), tf.grad(f)(x)]
      for (const [row, a] of golden('alpha').entries()) {
        const [value, grad] = valueAndGrad(e => robustPenalty(e, a, 1))
        expectClose(value, golden('loss').subarray(row * 39 + 13, row * 39 + 26), { atol: 1e-6, rtol: 1e-4 })
        expectClose(grad, golden('grad_x').subarray(row * 39 + 13, row * 39 + 26), { atol: 1e-5, rtol: 1e-3 })
      }
      const [low, lowGrad] = valueAndGrad(e => robustPenalty(e, Number.NEGATIVE_INFINITY, 1))
      expectClose(low, golden('neg_inf.loss').subarray(13, 26), { atol: 1e-6, rtol: 1e-4 })
      expectClose(lowGrad, golden('neg_inf.grad_x').subarray(13, 26), { atol: 1e-5, rtol: 1e-3 })
      const high = robustPenalty(x, Number.POSITIVE_INFINITY, 3)
      expectClose(high, golden('pos_inf.loss').subarray(26, 39), { atol: 1e-6, rtol: 1e-4 })
    })
  })

  test('the derivative over alpha at 0 is the true one', () => {
    const errors = tf.tensor1d([-2, 0.3, 1, 20])
    const at = (a: number) => robustPenalty(errors, a, 0.5).dataSync()
    const [up, down] = [at(0.02), at(-0.02)]
    const gradient = tf.grad(a => tf.sum(robustPenalty(errors, a, 0.5)))(tf.zeros([4]))
    expectClose(
      gradient,
      Array.from(up, (v, i) => (v - down[i]!) / 0.04),
      { atol: 1e-3, rtol: 1e-2 },
    )
  })

  test('near 0 and 2 and at huge errors nothing is NaN', () => {
    for (const a of [0, 1e-8, -1e-8, 1e-3, 1.999, 2 - 1e-7, 2, 2 + 1e-7]) {
      const errors = tf.tensor1d([0, 1e-20, -1e-3, 1, 1e6, -1e20])
      const alphas = tf.fill([6], a)
      const f = (...inputs: tf.Tensor[]) => tf.sum(robustPenalty(inputs[0]!, inputs[1]!, inputs[2]!))
      const gradients = tf.grads(f)([errors, alphas, tf.fill([6], 0.1)])
      for (const tensor of [robustPenalty(errors, alphas, 0.1), ...gradients]) {
        expect(tensor.dataSync().every(Number.isFinite), `alpha ${a}`).toBe(true)
      }
    }
  })

  test('alpha 2 is L2 up to the scale', () => {
    const p = randomImages([1, 4, 4, 3], 'p')
    const t = randomImages([1, 4, 4, 3], 't')
    expect(value(generalRobust({ alpha: 2, scale: 0.5 })(p, t))).toBeCloseTo(2 * value(l2()(p, t)), 6)
    expectGradientMatches(image => generalRobust({ alpha: 2 - 1e-5, scale: 0.5 })(image, t), p)
  })
})

test('options out of range are named', () => {
  expect(() => generalRobust({ alpha: Number.NaN })).toThrow(/alpha must be a number/)
  expect(() => generalRobust({ scale: 0 })).toThrow(/scale must be positive, got 0/)
})
