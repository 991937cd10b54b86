import { prepareBackend } from '@fx/backend'
import { installSecondOrderGradients, installTrainingKernels } from '@fx/backend/training'
import * as tf from '@tensorflow/tfjs-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { expectGradientNorms, openGolden, readGradientNorms, trainableOf } from '../../test/stylegan2.js'

// Gradients of gradients: what lazy regularisation asks of the networks.
describe.each(['cpu', 'wasm'] as const)('the regularisers on %s', backend => {
  let uninstall: (() => void)[]
  beforeAll(async () => {
    await prepareBackend({ backend, threads: 1 })
    uninstall = [await installTrainingKernels(), installSecondOrderGradients()]
  })
  afterAll(() => {
    for (const undo of uninstall.reverse()) undo()
  })

  const norms = readGradientNorms('uncond.grad-norms.json')

  /** Compares single gradients with the reference, element by element, in PyTorch's layout. */
  const expectGradients = (
    golden: ReturnType<typeof openGolden>,
    network: { parameters: ReadonlyMap<string, tf.Tensor> },
    gradients: tf.NamedTensorMap,
    prefix: string,
    order: Record<string, number[]>,
  ) => {
    for (const [key, { shape, data }] of golden.arrays) {
      if (!key.startsWith(prefix)) continue
      const name = key.slice(prefix.length)
      const gradient = gradients[(network.parameters.get(name) as tf.Variable).name]!
      const values = tf.transpose(gradient, order[`${shape.length}`]).dataSync()
      const most = data.reduce((a, v) => Math.max(a, Math.abs(v)), 0)
      const worst = data.reduce((a, v, i) => Math.max(a, Math.abs(v - values[i]!)), 0)
      expect(worst, key).toBeLessThanOrEqual(1e-5 + 1e-3 * most)
    }
  }

  test('path length', () => {
    const golden = openGolden('uncond', true)
    const { generator, tensor } = golden
    const z = tensor<tf.Tensor2D>('z')
    const direction = tf.div(golden.images('reg.pl_noise'), 32)
    const before = tensor('reg.pl_mean_before')
    const { value, grads } = tf.variableGrads(() => {
      const wPlus = generator.broadcast(generator.mapping(z))
      const slope = tf.grad(w => tf.sum(tf.mul(generator.synthesis(w as tf.Tensor3D), direction)))(wPlus)
      const lengths = tf.sqrt(tf.mean(tf.sum(tf.square(slope), 2), 1))
      const mean = tf.add(tf.mul(before, 0.99), tf.mul(tf.mean(lengths), 0.01))
      return tf.mul(tf.mean(tf.square(tf.sub(lengths, mean))), 2) as tf.Scalar
    }, trainableOf(generator))
    golden.expectClose(value, 'reg.pl_loss', 1e-5, 2e-4)
    expectGradientNorms(generator.parameters, grads, norms.pl!)
    const order = { 0: [], 1: [0], 2: [1, 0], 3: [2, 0, 1], 4: [3, 2, 0, 1] }
    expectGradients(golden, generator, grads, 'reg.pl_grad_full.', order)
    golden.dispose()
  }, 600_000)

  test('R1', () => {
    const golden = openGolden('uncond', true)
    const { discriminator } = golden
    const real = golden.images('reg.r1_real')
    const { value, grads } = tf.variableGrads(() => {
      const slope = tf.grad(x => tf.sum(discriminator.logits(x as tf.Tensor4D)))(real)
      return tf.mul(tf.mean(tf.sum(tf.square(slope), [1, 2, 3])), 5) as tf.Scalar
    }, trainableOf(discriminator))
    golden.expectClose(value, 'reg.r1_loss', 1e-5, 2e-4)
    expectGradientNorms(discriminator.parameters, grads, norms.r1!)
    const order = { 1: [0], 2: [1, 0], 4: [3, 2, 0, 1] }
    expectGradients(golden, discriminator, grads, 'reg.r1_grad_full.', order)
    golden.dispose()
  }, 600_000)
})
