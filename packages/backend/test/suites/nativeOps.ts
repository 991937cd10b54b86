import * as tf from '@tensorflow/tfjs-core'
import { expect, test } from 'vitest'
import { expectAgreement, uniform } from '../agreement.js'

const activations: [string, (x: tf.Tensor) => tf.Tensor][] = [
  ['relu', x => tf.relu(x)],
  ['relu6', x => tf.relu6(x)],
  ['clipByValue', x => tf.clipByValue(x, -2, 3)],
]

const modulationAttrs = { epsilon: 1e-2, slope: 0.25 }

/** What FxModulatedActivation computes, by tfjs's own operations. */
const modulatedActivation = (inputs: Record<string, tf.Tensor>, lowPass: boolean, limit: number): tf.Tensor => {
  const { x, style, squares, bias, noise } = inputs as Record<string, tf.Tensor> & { x: tf.Tensor4D }
  const [batch, , , channels] = x.shape
  const taps = tf.tensor1d([1, 3, 3, 1])
  const filter = tf.tile(tf.reshape(tf.div(tf.outerProduct(taps, taps), 16), [4, 4, 1, 1]), [1, 1, channels, 1])
  const padding: [number, number][] = [[0, 0], [1, 1], [1, 1], [0, 0]] // biome-ignore format: a matrix
  const smooth = lowPass ? tf.depthwiseConv2d(tf.pad(x, padding), filter as tf.Tensor4D, 1, 'valid') : x
  const variance = tf.add(tf.matMul(tf.square(style!), squares!), modulationAttrs.epsilon)
  const scaled = tf.mul(smooth, tf.reshape(tf.rsqrt(variance), [batch, 1, 1, channels]))
  const shifted = tf.add(tf.add(scaled, bias!), noise ?? 0)
  return tf.clipByValue(tf.add(tf.relu(shifted), tf.mul(shifted, modulationAttrs.slope)), -limit, limit)
}

export const nativeOps = (): void => {
  test.each([
    [1, 5, 7, 3, 'none', Number.POSITIVE_INFINITY],
    [3, 4, 4, 8, 'shared', 1.5],
    [2, 6, 2, 22, 'own', Number.POSITIVE_INFINITY],
    [2, 1, 1, 16, 'own', 0.5],
  ] as const)('what follows a modulated convolution: %i x %i x %i x %i, noise %s, limit %d', async (...sizes) => {
    const [batch, height, width, channels, noise, limit] = sizes
    for (const lowPass of [false, true]) {
      const margin = lowPass ? 1 : 0
      await expectAgreement(() => {
        const inputs = {
          x: uniform([batch, height + margin, width + margin, channels], 1),
          style: uniform([batch, 5], 2),
          squares: uniform([5, channels], 3, 0, 1),
          bias: uniform([channels], 4),
          ...(noise !== 'none' && { noise: uniform([noise === 'own' ? batch : 1, height, width, 1], 5) }),
        }
        const plain = modulatedActivation(inputs, lowPass, limit)
        const attrs = { ...modulationAttrs, lowPass, limit }
        const kernel = tf.engine().runKernel('FxModulatedActivation', inputs, attrs) as tf.Tensor
        // So that each kernel is compared with the operations on the other backend.
        return tf.getBackend() === 'cpu' ? [plain, kernel] : [kernel, plain]
      })
    }
  })

  test.each(activations)('the gradient of %s, at its corners too', async (_, f) => {
    await expectAgreement(() => {
      const x = tf.concat([uniform([210], 1, -8, 8), tf.tensor1d([0, 6, -2, 3, Number.NaN])])
      const dy = uniform(x.shape, 2)
      const gradient = tf.grad(f)(x, dy)
      return [tf.slice(gradient, 0, x.size - 1)]
    })
  })

  test.each([
    [1, 4],
    [129, 16],
    [300, 7],
    [3, 1],
  ])('batch normalisation and its five gradients, %i rows of %i channels', async (rows, channels) => {
    await expectAgreement(() => {
      const x = uniform([rows, 1, 1, channels], 1, 2, 4) as tf.Tensor4D
      const parameters = [1, 2, 3, 4].map(seed => uniform([channels], seed + 10, 0.5, 2) as tf.Tensor1D)
      const normalise = (...args: tf.Tensor[]) => {
        const [image, mean, variance, offset, scale] = args as [tf.Tensor4D, ...tf.Tensor1D[]]
        return tf.batchNorm(image, mean!, variance!, offset, scale, 1e-3)
      }
      const dy = uniform(x.shape, 5)
      return [normalise(x, ...parameters), ...tf.grads(normalise)([x, ...parameters], dy)]
    })
  })

  test('batch normalisation with statistics of the whole shape is left to tfjs', async () => {
    await expectAgreement(() => {
      const x = uniform([2, 3, 3, 4], 1)
      const mean = uniform([2, 3, 3, 4], 2)
      const variance = uniform([2, 3, 3, 4], 3, 0.5, 2)
      return [tf.batchNorm(x as tf.Tensor4D, mean as tf.Tensor4D, variance as tf.Tensor4D)]
    })
  })

  test('second-order gradients still work', async () => {
    await expectAgreement(() => {
      const first = (x: tf.Tensor) => tf.grad((z: tf.Tensor) => tf.sum(tf.relu(tf.mul(tf.square(z), z))))(x)
      return [tf.grad((x: tf.Tensor) => tf.sum(first(x)))(uniform([8], 1))]
    })
  })

  test('kernels follow the heap when it grows', async () => {
    await tf.setBackend('wasm')
    const ballast = [24, 48, 96].map(megabytes => tf.fill([megabytes * 250_000], 1))
    await expectAgreement(() => {
      const x = uniform([2, 8, 8, 8], 1) as tf.Tensor4D
      const filter = uniform([3, 3, 8, 8], 2) as tf.Tensor4D
      const parameters = [3, 4, 5, 6].map(seed => uniform([8], seed, 0.5, 2) as tf.Tensor1D)
      const normalise = (...args: tf.Tensor[]) =>
        tf.batchNorm(args[0] as tf.Tensor4D, ...(args.slice(1) as [tf.Tensor1D, tf.Tensor1D, tf.Tensor1D]))
      return [
        ...tf.grads((a, b) => tf.conv2d(a as tf.Tensor4D, b as tf.Tensor4D, 1, 'same'))([x, filter]),
        ...tf.grads(normalise)([x, ...parameters]),
      ]
    })
    await tf.setBackend('wasm')
    tf.dispose(ballast)
  })

  test('a clone shares its data until one of the two is disposed', async () => {
    await tf.setBackend('wasm')
    const before = tf.memory()
    const a = tf.tensor1d([1, 2, 3])
    const b = a.clone()
    expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers + 1)
    a.dispose()
    expect([...b.dataSync()]).toEqual([1, 2, 3])
    b.dispose()
    expect(tf.memory()).toMatchObject({ numTensors: before.numTensors, numDataBuffers: before.numDataBuffers })
  })
}
