import { type BackendName, prepareBackend } from '@fx/backend'
import { installSecondOrderGradients, installTrainingKernels } from '@fx/backend/training'
import * as tf from '@tensorflow/tfjs-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pathLengthPenalty, r1Penalty } from '../../src/stylegan2/training/regularisers.js'
import { expectGradientNorms, openGolden, readGradientNorms, trainableOf } from '../stylegan2.js'

/** Compares single gradients with the reference, element by element, in PyTorch's layout. */
const expectGradients = (
  golden: ReturnType<typeof openGolden>,
  network: { parameters: ReadonlyMap<string, tf.Tensor> },
  gradients: tf.NamedTensorMap,
  prefix: string,
): void => {
  const orders: Record<string, number[]> = { 0: [], 1: [0], 2: [1, 0], 3: [2, 0, 1], 4: [3, 2, 0, 1] }
  for (const [key, { shape, data }] of golden.arrays) {
    if (!key.startsWith(prefix)) continue
    const name = key.slice(prefix.length)
    const gradient = gradients[(network.parameters.get(name) as tf.Variable).name]!
    const values = tf.transpose(gradient, orders[`${shape.length}`]).dataSync()
    const most = data.reduce((a, v) => Math.max(a, Math.abs(v)), 0)
    const worst = data.reduce((a, v, i) => Math.max(a, Math.abs(v - values[i]!)), 0)
    expect(worst, key).toBeLessThanOrEqual(1e-5 + 1e-3 * most)
  }
}

/** Path length and R1 against the reference on one backend: values and, through gradients of gradients, every parameter's. */
export const regulariserSuite = (backend: BackendName): void => {
  let uninstall: (() => void)[]
  beforeAll(async () => {
    await prepareBackend({ backend, threads: 1 })
    uninstall = [await installTrainingKernels(), installSecondOrderGradients()]
  })
  afterAll(() => {
    for (const undo of uninstall.reverse()) undo()
  })

  test.each(['uncond', 'cond'] as const)(
    'path length, %s',
    name => {
      const start = tf.memory().numTensors
      const golden = openGolden(name, true)
      const { generator, tensor } = golden
      const inputs = tf.tidy(() => ({
        z: tensor<tf.Tensor2D>('z'),
        noise: golden.images('reg.pl_noise'),
        meanLength: tf.reshape(tensor('reg.pl_mean_before'), []) as tf.Scalar,
        ...(name === 'cond' ? { labels: tensor<tf.Tensor2D>('c') } : {}),
      }))
      const penalty = pathLengthPenalty(
        generator,
        trainableOf(generator),
        () => generator.broadcast(generator.mapping(inputs.z, inputs.labels)),
        { weight: 2, form: 'exact', noise: inputs.noise, meanLength: inputs.meanLength },
      )
      tf.tidy(() => {
        golden.expectClose(penalty.value, 'reg.pl_loss', 1e-5, 2e-4)
        golden.expectClose(penalty.meanLength, 'reg.pl_mean_after', 1e-5, 2e-4)
        expectGradientNorms(generator.parameters, penalty.grads, readGradientNorms(`${name}.grad-norms.json`).pl!)
        expectGradients(golden, generator, penalty.grads, 'reg.pl_grad_full.')
      })
      tf.dispose([inputs, penalty] as unknown as tf.TensorContainer)
      golden.dispose()
      expect(tf.memory().numTensors).toBe(start)
    },
    600_000,
  )

  test.each(['uncond', 'cond'] as const)(
    'R1, %s',
    name => {
      const start = tf.memory().numTensors
      const golden = openGolden(name, true)
      const { discriminator, tensor } = golden
      const inputs = tf.tidy(() => ({
        real: golden.images('reg.r1_real'),
        ...(name === 'cond' ? { labels: tensor<tf.Tensor2D>('c') } : {}),
      }))
      const options = { gamma: 10, form: 'exact', labels: inputs.labels } as const
      const penalty = r1Penalty(discriminator, trainableOf(discriminator), inputs.real, options)
      tf.tidy(() => {
        golden.expectClose(penalty.value, 'reg.r1_loss', 1e-5, 2e-4)
        expectGradientNorms(discriminator.parameters, penalty.grads, readGradientNorms(`${name}.grad-norms.json`).r1!)
        expectGradients(golden, discriminator, penalty.grads, 'reg.r1_grad_full.')
      })
      tf.dispose([inputs, penalty] as unknown as tf.TensorContainer)
      golden.dispose()
      expect(tf.memory().numTensors).toBe(start)
    },
    600_000,
  )
}
