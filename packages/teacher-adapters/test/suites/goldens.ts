import { type BackendName, prepareBackend } from '@fx/backend'
import { installTrainingKernels } from '@fx/backend/training'
import * as tf from '@tensorflow/tfjs-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { expectGradientNorms, openGolden, readGradientNorms, trainableOf } from '../stylegan2.js'

const rows = <T extends tf.Tensor>(x: T, count: number): T =>
  tf.slice(
    x,
    x.shape.map(() => 0),
    [count, ...x.shape.slice(1)],
  ) as T

/** What the reference networks compute, and the gradients of their losses, on one backend. */
export const goldenSuite = (backend: BackendName): void => {
  let uninstall: () => void
  beforeAll(async () => {
    await prepareBackend({ backend, threads: 1 })
    uninstall = await installTrainingKernels()
  })
  afterAll(() => uninstall())

  test.each(['uncond', 'cond'] as const)('%s: w, truncation with a cutoff, images, logits', name => {
    const golden = openGolden(name)
    const { generator, discriminator, tensor, expectClose } = golden
    const z = tensor<tf.Tensor2D>('z')
    const labels = name === 'cond' ? tensor<tf.Tensor2D>('c') : undefined
    const truncation = { psi: 0.7, cutoff: 4 }
    const w = generator.mapping(z, labels)
    expectClose(generator.broadcast(w), 'w_psi1', 2e-5)
    expectClose(generator.truncate(w, truncation), 'w_trunc', 2e-5)
    const one = { labels: labels && rows(labels, 1), truncation }
    expectClose(generator.generate(rows(z, 1), one), 'img_const_trunc', 1e-4)

    const images = golden.images('d_in')
    const batches = name === 'cond' ? [1, 2, 4] : [1, 2, 4, 8]
    for (const n of batches) {
      const logits = discriminator.logits(rows(images, n), labels && rows(labels, n))
      expectClose(logits, `d_logits_b${n}`, 5e-5)
    }
    golden.dispose()
  })

  test('uncond: images of W, W+ and StyleSpace, with and without noise', () => {
    const golden = openGolden('uncond')
    const { generator, tensor, expectClose } = golden
    const w = generator.mapping(rows(tensor<tf.Tensor2D>('z'), 1))
    expectClose(generator.synthesis(w), 'img_const_psi1', 1e-4)
    expectClose(generator.synthesis(generator.broadcast(w), { noise: 'none' }), 'img_none_psi1', 1e-4)

    const wPlus = tensor<tf.Tensor3D>('w_plus')
    const styles = generator.styles(wPlus)
    expect(Object.keys(styles)).toEqual(generator.layers.map(({ name }) => name))
    for (const [layer, style] of Object.entries(styles)) expectClose(style, `style_wplus.${layer}`, 2e-5)
    expectClose(generator.synthesis(rows(wPlus, 1)), 'img_const_wplus', 1e-4)
    const first = Object.fromEntries(Object.entries(styles).map(([layer, style]) => [layer, rows(style, 1)]))
    expectClose(generator.synthesis(first, { noise: 'none' }), 'img_none_wplus', 1e-4)
    golden.dispose()
  })

  test('uncond: what path length regularisation and R1 measure', () => {
    const golden = openGolden('uncond')
    const { generator, discriminator, tensor, expectClose } = golden
    const wPlus = generator.broadcast(generator.mapping(tensor<tf.Tensor2D>('z')))
    const direction = tf.div(golden.images('reg.pl_noise'), 32)
    const gradients = tf.grad(w => tf.sum(tf.mul(generator.synthesis(w as tf.Tensor3D), direction)))(wPlus)
    expectClose(gradients, 'reg.pl_grads', 1e-5, 2e-4)
    const lengths = tf.sqrt(tf.mean(tf.sum(tf.square(gradients), 2), 1))
    expectClose(lengths, 'reg.pl_lengths', 1e-5, 2e-4)

    const real = golden.images('reg.r1_real')
    expectClose(discriminator.logits(real), 'reg.r1_logits', 5e-5)
    const slope = tf.grad(x => tf.sum(discriminator.logits(x as tf.Tensor4D)))(real)
    expectClose(slope, 'reg.r1_grads', 1e-5, 2e-4)
    expectClose(tf.sum(tf.square(slope), [1, 2, 3]), 'reg.r1_penalty', 1e-5, 2e-4)
    golden.dispose()
  })

  test('uncond: the non-saturating losses and the gradient of every parameter', () => {
    const golden = openGolden('uncond', true)
    const { generator, discriminator, tensor, expectClose } = golden
    const norms = readGradientNorms('uncond.grad-norms.json')
    const z = tensor<tf.Tensor2D>('z')
    const real = rows(golden.images('d_in'), 4)

    const forGenerator = tf.variableGrads(
      () => tf.mean(tf.softplus(tf.neg(discriminator.logits(generator.generate(z))))) as tf.Scalar,
      trainableOf(generator),
    )
    expectClose(forGenerator.value, 'reg.gmain_loss', 1e-5, 2e-4)
    expectGradientNorms(generator.parameters, forGenerator.grads, norms.gmain!)

    const fake = generator.generate(z)
    const forDiscriminator = tf.variableGrads(() => {
      const onFake = tf.mean(tf.softplus(discriminator.logits(fake)))
      return tf.add(onFake, tf.mean(tf.softplus(tf.neg(discriminator.logits(real))))) as tf.Scalar
    }, trainableOf(discriminator))
    expectClose(forDiscriminator.value, 'reg.dmain_loss', 1e-5, 2e-4)
    expectGradientNorms(discriminator.parameters, forDiscriminator.grads, norms.dmain!)
    golden.dispose()
  }, 600_000)
}
