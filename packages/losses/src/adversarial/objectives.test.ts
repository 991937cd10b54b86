import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, test } from 'vitest'
import { readFixture } from '../../test/helpers.js'
import { expectClose, onEachBackend, value } from '../../test/suite.js'
import { discriminatorLoss, generatorLoss } from '../adversarial.js'

const map = (values: ArrayLike<number>, side = [values.length, 1]): tf.Tensor4D =>
  tf.tensor4d(Float32Array.from(values), [1, side[0]!, side[1]!, 1])

onEachBackend(() => {
  const fixture = readFixture('gan_losses.safetensors')
  const golden = (name: string) => fixture[name]!.data

  describe.each([
    ['hinge', 'hinge_d', 'hinge_g'],
    ['non-saturating', 'ns_d', 'ns_g'],
    ['lsgan', 'lsgan_d_half', 'lsgan_g'],
    ['wgan', 'wgan_d', 'wgan_g'],
    // The references hold the discriminator's side of these two alone.
    ['non-saturating', 'saturating_bce_d', undefined],
    ['relativistic-hinge', 'relativistic_average_hinge_d', undefined],
  ] as const)('%s', (objective, ofDiscriminator, ofGenerator) => {
    test('both sides and their gradients equal the reference, at the kinks too', () => {
      const near = { atol: 1e-6, rtol: 1e-5 }
      const [real, fake] = [map(golden('real_logits')), map(golden('fake_logits'))]
      const both = (r: tf.Tensor, f: tf.Tensor) =>
        discriminatorLoss([r as tf.Tensor4D], [f as tf.Tensor4D], objective) as tf.Tensor
      const judged = tf.valueAndGrads(both as (...x: tf.Tensor[]) => tf.Tensor)([real, fake])
      expectClose(judged.value, golden(ofDiscriminator), near)
      expectClose(judged.grads[0]!, golden(`${ofDiscriminator}.grad_real`), near)
      expectClose(judged.grads[1]!, golden(`${ofDiscriminator}.grad_fake`), near)
      if (!ofGenerator) return
      const answered = tf.valueAndGrad(f => generatorLoss([f as tf.Tensor4D], objective))(fake)
      expectClose(answered.value, golden(ofGenerator), near)
      expectClose(answered.grad, golden(`${ofGenerator}.grad_fake`), near)
    })

    test('huge logits give finite values and gradients', () => {
      const big = map([1e6, -1e6])
      const { value: loss, grad } = tf.valueAndGrad(x =>
        tf.add(
          discriminatorLoss([x as tf.Tensor4D], [x as tf.Tensor4D], objective),
          generatorLoss([x as tf.Tensor4D], objective, undefined, [x as tf.Tensor4D]),
        ),
      )(big)
      expect([...loss.dataSync(), ...grad.dataSync()].every(Number.isFinite)).toBe(true)
    })
  })

  test('the relativistic hinge compares each logit with the mean of the other side, and exchanges the sides', () => {
    const [real, fake] = [map([0.5, 1.5]), map([0, -1, 4])]
    // Means 1 and 1: relu(1 - (r - 1)) gives 1.5, 0.5; relu(1 + (f - 1)) gives 0, 0, 4.
    expect(value(discriminatorLoss([real], [fake], 'relativistic-hinge'))).toBeCloseTo(1 + 4 / 3, 5)
    // relu(1 - (f - 1)) gives 2, 3, 0; relu(1 + (r - 1)) gives 0.5, 1.5.
    expect(value(generatorLoss([fake], 'relativistic-hinge', undefined, [real]))).toBeCloseTo(5 / 3 + 1, 5)
    expect(() => generatorLoss([fake], 'relativistic-hinge')).toThrow(/needs the logits of targets/)
  })

  test('scales are summed, and weights count by the area of a logit', () => {
    const fine = map([1, 2, 3, 4], [2, 2])
    const coarse = map([10])
    expect(value(generatorLoss([fine, coarse], 'wgan'))).toBeCloseTo(-2.5 - 10, 5)
    expect(value(discriminatorLoss([fine], [coarse], 'wgan'))).toBeCloseTo(-2.5 + 10, 5)
    // Only the right half of the upper right quarter.
    const weights = tf.tensor4d([0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], [1, 4, 4, 1])
    expect(value(generatorLoss([fine, coarse], 'wgan', weights))).toBeCloseTo(-2 - 10, 5)
    expect(value(discriminatorLoss([fine], [coarse], 'wgan', weights))).toBeCloseTo(-2 + 10, 5)
  })

  test('no tensor is left behind', () => {
    const logits = map([1, 2])
    const before = tf.memory().numTensors
    tf.dispose([generatorLoss([logits], 'lsgan'), discriminatorLoss([logits], [logits], 'lsgan')])
    expect(tf.memory().numTensors).toBe(before)
  })
})

test('another objective is refused', () => {
  const refusal = expect.objectContaining({
    code: 'invalid-argument',
    message: expect.stringContaining("'hinge', 'non-saturating', 'lsgan', 'wgan' or 'relativistic-hinge'"),
  })
  expect(() => generatorLoss([map([1])], 'relativistic' as never)).toThrow(refusal)
  expect(() => discriminatorLoss([map([1])], [map([1])], 'toString' as never)).toThrow(refusal)
})
