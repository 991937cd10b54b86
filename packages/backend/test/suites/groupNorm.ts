import * as tf from '@tensorflow/tfjs-core'
import { expect, test } from 'vitest'
import { expectAgreement, uniform } from '../agreement.js'

interface Attrs {
  groups: number
  epsilon: number
  silu: boolean
}

const kernel = (x: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor, attrs: Attrs): tf.Tensor =>
  (tf.engine().runKernel('FxGroupNorm', { x, scale, shift }, { ...attrs }) as unknown as tf.Tensor[])[0]!

/** What FxGroupNorm computes, by tfjs's own operations. */
const plain = (x: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor, { groups, epsilon, silu }: Attrs): tf.Tensor => {
  const [n, height, width, channels] = x.shape as [number, number, number, number]
  const grouped = tf.reshape(x, [n, height * width, groups, channels / groups])
  const { mean, variance } = tf.moments(grouped, [1, 3], true)
  const normalised = tf.div(tf.sub(grouped, mean), tf.sqrt(tf.add(variance, epsilon)))
  const y = tf.add(tf.mul(tf.reshape(normalised, x.shape), scale), shift)
  return silu ? tf.mul(y, tf.sigmoid(y)) : y
}

const groupNorm = (...args: Parameters<typeof plain>): tf.Tensor =>
  tf.getBackend() === 'wasm' ? kernel(...args) : plain(...args)

export const groupNorms = (): void => {
  test.each([
    [2, 5, 3, 12, 3],
    [3, 4, 4, 8, 8],
    [1, 16, 16, 20, 4],
    [2, 1, 1, 6, 1],
    [2, 2, 1, 7, 7],
    // More channels than pass at a time.
    [1, 2, 1, 4100, 2],
  ])('%i x %i x %i x %i in %i groups, its gradients too', async (n, height, width, channels, groups) => {
    for (const silu of [false, true]) {
      for (const shape of [[channels], [n, 1, 1, channels]]) {
        await expectAgreement(() => {
          const x = uniform([n, height, width, channels], 1, 2, 5)
          const [scale, shift] = [uniform(shape, 2), uniform(shape, 3)]
          const dy = uniform(x.shape, 4)
          const run = (x: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor) =>
            groupNorm(x, scale, shift, { groups, epsilon: 1e-3, silu })
          return [run(x, scale, shift), ...tf.grads(run)([x, scale, shift], dy)]
        })
      }
    }
  })

  test('silu where it is steep, flat and nearly the identity', async () => {
    await expectAgreement(() => {
      const x = tf.reshape(tf.concat([tf.linspace(-12, 12, 241), tf.tensor1d([-100, 100, 60])]), [1, 1, 244, 1])
      // Deviations back to what they were.
      const deviation = tf.reshape(tf.sqrt(tf.moments(x).variance), [1])
      const run = (x: tf.Tensor) =>
        groupNorm(x, deviation as tf.Tensor1D, tf.zeros([1]), { groups: 1, epsilon: 0, silu: true })
      return [run(x), tf.grad(run)(x, tf.fill(x.shape, 1))]
    })
  })

  test('the variance survives a mean a thousand times as large', async () => {
    await expectAgreement(() => {
      const x = tf.add(uniform([2, 8, 8, 8], 1), 1000)
      return [groupNorm(x, tf.fill([8], 1), tf.zeros([8]), { groups: 2, epsilon: 1e-5, silu: false })]
    }, 1e-3)
  })

  test('what is not a number stays so, in its image only', async () => {
    await tf.setBackend('wasm')
    tf.tidy(() => {
      const x = tf.tensor4d([Number.NaN, 1, 2, 3, 1, 2, 3, 4], [2, 2, 1, 2])
      const attrs = { groups: 2, epsilon: 1e-5, silu: true }
      const y = kernel(x, tf.fill([2], 1), tf.zeros([2]), attrs).dataSync<'float32'>()
      expect([...y].map(Number.isNaN)).toEqual([true, false, true, false, false, false, false, false])
    })
  })

  test('a gradient of its gradient is refused', async () => {
    await tf.setBackend('wasm')
    expect(() =>
      tf.tidy(() => {
        const attrs = { groups: 2, epsilon: 1e-5, silu: true }
        const norm = (x: tf.Tensor) => tf.sum(tf.square(kernel(x, tf.fill([2], 1), tf.zeros([2]), attrs)))
        return tf.grad((x: tf.Tensor) => tf.sum(tf.square(tf.grad(norm)(x))))(uniform([1, 2, 2, 2], 1))
      }),
    ).toThrow('FxGroupNormGrad')
  })
}
