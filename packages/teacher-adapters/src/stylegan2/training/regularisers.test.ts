import { prepareBackend } from '@fx/backend'
import { installSecondOrderGradients, installTrainingKernels } from '@fx/backend/training'
import { seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openGolden, trainableOf } from '../../../test/stylegan2.js'
import {
  augmentationTransforms,
  augmentImages,
  type Penalty,
  pathLengthPenalty,
  r1Penalty,
} from '../../stylegan2-training.js'

let uninstall: (() => void)[]
beforeAll(async () => {
  await prepareBackend({ backend: 'wasm', threads: 1 })
  uninstall = [await installTrainingKernels(), installSecondOrderGradients()]
})
afterAll(() => {
  for (const undo of uninstall.reverse()) undo()
})

const forms = ['exact', 'finite-difference'] as const
const penaltyValue = ({ value }: Penalty): number => value.dataSync()[0]!
const free = (...given: (Penalty | tf.Tensor)[]): void => {
  for (const each of given) tf.dispose(each instanceof tf.Tensor ? each : [each.value, each.grads])
}
const dot = (a: tf.NamedTensorMap, b: tf.NamedTensorMap): number =>
  tf.tidy(() =>
    Object.keys(a).reduce((sum, name) => sum + (b[name] ? tf.sum(tf.mul(a[name]!, b[name]!)).dataSync()[0]! : 0), 0),
  )

/** Asserts that each parameter's gradients differ by at most `tolerance` of the exact one's length. */
const expectSameGradients = (exact: Penalty, other: Penalty, tolerance: number): void => {
  expect(Object.keys(other.grads).sort()).toEqual(Object.keys(exact.grads).sort())
  for (const [name, grad] of Object.entries(exact.grads)) {
    const apart = tf.tidy(() => tf.div(tf.norm(tf.sub(other.grads[name]!, grad)), tf.norm(grad)).dataSync()[0]!)
    expect(apart, name).toBeLessThan(tolerance)
  }
}

const variable = (name: string, scale: number, ...shape: number[]): tf.Variable => {
  const { normal } = seededRandom('smooth', name)
  const size = shape.reduce((a, b) => a * b, 1)
  return tf.tidy(() =>
    tf.variable(
      tf.tensor(
        Float32Array.from({ length: size }, () => scale * normal()),
        shape,
      ),
    ),
  )
}

describe('smooth networks have the same penalties and gradients, parameter by parameter, in both forms', () => {
  test('R1', () => {
    const [first, bias, last] = [
      variable('first', 0.3, 3, 3, 3, 6),
      variable('bias', 0.5, 6),
      variable('last', 0.3, 6, 1),
    ]
    const network: Parameters<typeof r1Penalty>[0] = {
      logits: x =>
        tf.tidy(() => {
          const hidden = tf.tanh(tf.add(tf.conv2d(x, first as tf.Tensor as tf.Tensor4D, 2, 'same'), bias))
          return tf.matMul(tf.mean<tf.Tensor2D>(hidden, [1, 2]), last as tf.Tensor as tf.Tensor2D)
        }),
    }
    const images = variable('images', 0.6, 4, 8, 8, 3) as tf.Tensor as tf.Tensor4D
    const before = tf.memory().numTensors
    const [exact, differences] = forms.map(form =>
      r1Penalty(network, [first, bias, last], images, { gamma: 10, form, distance: 1e-2 }),
    )
    expect(penaltyValue(differences!) / penaltyValue(exact!)).toBeCloseTo(1, 5)
    // Measured: at most 1.1e-3.
    expectSameGradients(exact!, differences!, 3e-3)
    free(exact!, differences!)
    expect(tf.memory().numTensors).toBe(before)
  })

  test('path length', () => {
    const [latent, weights, bias] = [
      variable('latent', 1, 2, 4, 5),
      variable('weights', 0.2, 20, 8 * 8 * 3),
      variable('offset', 0.5, 192),
    ]
    const network: Parameters<typeof pathLengthPenalty>[0] = {
      synthesis: w =>
        tf.tidy(() => {
          const flat = tf.reshape(w as tf.Tensor3D, [2, 20]) as tf.Tensor2D
          const pixels = tf.tanh(tf.add(tf.matMul(flat, weights as tf.Tensor as tf.Tensor2D), bias))
          return tf.reshape(pixels, [2, 8, 8, 3]) as tf.Tensor4D
        }),
    }
    const noise = variable('noise', 1, 2, 8, 8, 3) as tf.Tensor as tf.Tensor4D
    const meanLength = tf.scalar(0.4)
    const wPlus = () => tf.mul<tf.Tensor3D>(latent, 1)
    const before = tf.memory().numTensors
    const [exact, differences] = forms.map(form =>
      pathLengthPenalty(network, [latent, weights, bias], wPlus, {
        weight: 2,
        form,
        noise,
        meanLength,
        distance: 1e-2,
      }),
    )
    expect(penaltyValue(differences!) / penaltyValue(exact!)).toBeCloseTo(1, 5)
    expect(differences!.meanLength.dataSync()[0]).toBeCloseTo(exact!.meanLength.dataSync()[0]!, 6)
    // Measured: at most 2.4e-4.
    expectSameGradients(exact!, differences!, 1e-3)
    free(exact!, differences!, exact!.meanLength, differences!.meanLength)
    expect(tf.memory().numTensors).toBe(before)
  })
})

describe('on StyleGAN2, whose leaky ReLUs have kinks, values are equal and gradients agree along the exact one', () => {
  /** What the difference form says of moving along the exact gradient, over what the exact form says. */
  const along = (exact: Penalty, other: Penalty): number =>
    dot(exact.grads, other.grads) / dot(exact.grads, exact.grads)

  test.each([
    // Measured: 0.967 and 1.164.
    ['R1', 0, 0.1],
    ['R1 behind augmentation', 1, 0.3],
  ])('%s', (_, p, tolerance) => {
    const golden = openGolden('uncond', true)
    const { discriminator } = golden
    const real = golden.images('reg.r1_real')
    const judge: Parameters<typeof r1Penalty>[0] = {
      logits: images =>
        tf.tidy(() => discriminator.logits(augmentImages(images, { policy: augmentationTransforms, p, path: [3] }))),
    }
    const [exact, differences] = forms.map(form =>
      r1Penalty(judge, trainableOf(discriminator), real, { gamma: 10, form }),
    )
    if (p === 0) golden.expectClose(exact!.value, 'reg.r1_loss', 1e-5, 2e-4)
    expect(penaltyValue(differences!) / penaltyValue(exact!)).toBeCloseTo(1, 5)
    expect(Math.abs(along(exact!, differences!) - 1)).toBeLessThan(tolerance)
    golden.dispose()
  })

  test('path length', () => {
    const golden = openGolden('uncond', true)
    const { generator, tensor } = golden
    const z = tensor<tf.Tensor2D>('z')
    const noise = golden.images('reg.pl_noise')
    const meanLength = tensor<tf.Scalar>('reg.pl_mean_before')
    const wPlus = () => generator.broadcast(generator.mapping(z))
    const [exact, differences] = forms.map(form =>
      pathLengthPenalty(generator, trainableOf(generator), wPlus, { weight: 2, form, noise, meanLength }),
    )
    golden.expectClose(exact!.value, 'reg.pl_loss', 1e-5, 2e-4)
    expect(penaltyValue(differences!) / penaltyValue(exact!)).toBeCloseTo(1, 5)
    // Measured: 0.965.
    expect(Math.abs(along(exact!, differences!) - 1)).toBeLessThan(0.1)
    golden.dispose()
  })
})
