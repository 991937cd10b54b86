import { installSecondOrderGradients } from '@fx/backend/training'
import * as tf from '@tensorflow/tfjs-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { randomImages, readFixture } from '../../test/helpers.js'
import { expectClose, onEachBackend, value } from '../../test/suite.js'
import { hwio } from '../../test/torch-kernels.js'
import {
  adversarial,
  type Critic,
  type Discriminator,
  discriminatorLoss,
  patchDiscriminator,
  r1Penalty,
  wganGpPenalty,
} from '../adversarial.js'
import type { AdversarialLoss } from '../index.js'

/** The reference's critic, two convolutions and a line, from its parameters by their torch names. */
const referenceCritic =
  (parameters: Record<string, tf.Variable>): Critic =>
  images => {
    const conv = (x: tf.Tensor4D, layer: number): tf.Tensor4D => {
      const kernel = parameters[`${layer}.weight`] as tf.Tensor as tf.Tensor4D
      const padded = tf.pad(x, [
        [0, 0],
        [1, 1],
        [1, 1],
        [0, 0],
      ])
      const filtered = tf.conv2d(padded, kernel, 2, 'valid')
      return tf.leakyRelu(tf.add<tf.Tensor4D>(filtered, parameters[`${layer}.bias`]!), 0.2)
    }
    const flat = tf.reshape(tf.transpose(conv(conv(images, 0), 2), [0, 3, 1, 2]), [images.shape[0], 54])
    return tf.add(
      tf.matMul(flat, parameters['5.weight'] as tf.Tensor as tf.Tensor2D, false, true),
      parameters['5.bias']!,
    )
  }

/** Scores by one weight a pixel, so that the slope is known. */
const linear = (weights: tf.Variable): Discriminator => ({
  smallestSide: 1,
  variables: () => ({ weights }),
  dispose: () => weights.dispose(),
  features: images => [[tf.sum<tf.Tensor4D>(tf.mul(images, weights), [1, 2, 3], true)]],
})

/** The gradient of what a discriminator minimises along itself, and the same by central differences. */
const slopes = (
  loss: AdversarialLoss,
  images: [tf.Tensor4D, tf.Tensor4D],
  step: number,
  distance: number,
): { exact: number; numeric: number } => {
  const variables = Object.values(loss.variables())
  const judged = () => loss.judge(...images, { step }).total
  const { grads } = tf.variableGrads(judged, variables)
  const exact = Math.sqrt(value(tf.addN(variables.map(({ name }) => tf.sum(tf.square(grads[name]!))))))
  const moved = (by: number): number => {
    for (const each of variables) each.assign(tf.add(each, tf.mul(grads[each.name]!, by / exact)))
    return value(judged())
  }
  const up = moved(distance)
  const down = moved(-2 * distance)
  moved(distance)
  return { exact, numeric: (up - down) / (2 * distance) }
}

onEachBackend(() => {
  let uninstall: () => void
  beforeAll(() => {
    uninstall = installSecondOrderGradients()
  })
  afterAll(() => uninstall())

  test('the penalty of WGAN-GP and its gradients in all parameters equal the reference', () => {
    const fixture = readFixture('wgan_gp.safetensors')
    const names = Object.keys(fixture).flatMap(name => (name.startsWith('critic.') ? [name.slice(7)] : []))
    const inOrder = (name: string): tf.Tensor => {
      const { shape, data } = fixture[name]!
      return shape.length === 4
        ? tf.tensor(hwio(fixture[name]!), [shape[2]!, shape[3]!, shape[1]!, shape[0]!])
        : tf.tensor(data, shape)
    }
    const parameters = Object.fromEntries(names.map(name => [name, tf.variable(inOrder(`critic.${name}`))]))
    const critic = referenceCritic(parameters)
    const images = (name: string): tf.Tensor4D =>
      tf.transpose(tf.tensor4d(fixture[name]!.data, [4, 3, 12, 12]), [0, 2, 3, 1])
    const [real, fake] = [images('real'), images('fake')]
    const shares = tf.tensor4d(fixture.epsilon!.data, [4, 1, 1, 1])
    const between = tf.add<tf.Tensor4D>(fake, tf.mul(tf.sub(real, fake), shares))
    const near = { atol: 1e-6, rtol: 2e-4 }
    expectClose(critic(between), fixture.xhat_logits!.data, near)
    const penalty = tf.variableGrads(() => wganGpPenalty(critic, between), Object.values(parameters))
    expectClose(penalty.value, fixture.gp!.data, near)
    for (const name of names) {
      const expected = inOrder(`grad_gp.${name}`).dataSync()
      // A bias that leaves the slopes alone has no gradient at all.
      const gradient = penalty.grads[parameters[name]!.name] ?? tf.zeros([expected.length])
      expectClose(gradient, expected, near)
    }
    const logits = (of: tf.Tensor4D) => [tf.reshape(critic(of), [4, 1, 1, 1]) as tf.Tensor4D]
    const total = tf.add(discriminatorLoss(logits(real), logits(fake), 'wgan'), tf.mul(penalty.value, 10))
    expectClose(total, fixture.critic_loss_lambda10!.data, near)
    tf.dispose(parameters)
  })

  test('R1 is the squared slope in images in [-1, 1], at every 16th step for 16 times as much', () => {
    const weights = tf.variable(randomImages([1, 2, 2, 3], 'weights', -3, 3))
    const target = randomImages([2, 2, 2, 3], 'target')
    const images = tf.zerosLike(target)
    const square = value(tf.sum(tf.square(weights)))
    expect(value(r1Penalty(x => tf.sum(tf.mul(x, weights), [1, 2, 3]), target))).toBeCloseTo(square, 3)
    const judgeWith = (gradientPenalty?: { kind: 'r1'; gamma?: number; every?: number }) =>
      adversarial(linear(weights), { objective: 'wgan', ...(gradientPenalty && { gradientPenalty }) }).judge
    const gradient = (judge: AdversarialLoss['judge'], step: number) =>
      tf.variableGrads(() => judge(images, target, { step }).total, [weights]).grads[weights.name]!
    const plain = judgeWith()(images, target)
    expect(Object.keys(plain.scores)).toEqual(['real', 'fake'])
    expect(value(plain.scores.fake!)).toBe(0)
    const lazy = judgeWith({ kind: 'r1', gamma: 3 })
    const due = lazy(images, target, { step: 32 })
    // gamma / 2 and, twice, the half slope.
    const penalty = (3 / 8) * square
    expect(value(due.scores.penalty!) / penalty).toBeCloseTo(1, 5)
    const base = value(plain.total)
    expect((value(due.total) - base) / (16 * penalty)).toBeCloseTo(1, 5)
    const added = tf.sub(gradient(lazy, 0), gradient(judgeWith(), 0))
    expectClose(added, tf.mul(weights, 16 * (3 / 4)).dataSync(), { atol: 1e-4, rtol: 1e-4 })
    const idle = lazy(images, target, { step: 33 })
    expect(idle.scores.penalty).toBeUndefined()
    expect(value(idle.total)).toBe(base)
    const always = judgeWith({ kind: 'r1', gamma: 3, every: 1 })(images, target, { step: 33 })
    expect((value(always.total) - base) / penalty).toBeCloseTo(1, 4)
    weights.dispose()
  })

  test('WGAN-GP mixes by seed and step, and asks for a slope of 1 in images in [-1, 1]', () => {
    // Scores whose slope differs from place to place: |2 x|, half of that in [-1, 1].
    const quadratic: Discriminator = {
      ...linear(tf.variable(tf.scalar(0))),
      features: images => [[tf.sum<tf.Tensor4D>(tf.square(images), [1, 2, 3], true)]],
    }
    const penaltyAt = (step: number, seed?: number) =>
      value(
        adversarial(quadratic, {
          gradientPenalty: { kind: 'wgan-gp', weight: 2, ...(seed !== undefined && { seed }) },
        }).judge(tf.zeros([1, 1, 1, 3]), tf.fill([1, 1, 1, 3], 2), { step }).scores.penalty!,
      )
    const shareOf = (penalty: number) => [1, -1].map(sign => (1 + sign * Math.sqrt(penalty / 2)) / (2 * Math.sqrt(3)))
    const at = penaltyAt(5)
    expect(penaltyAt(5)).toBe(at)
    expect(penaltyAt(5, 0)).toBe(at)
    expect(penaltyAt(6)).not.toBe(at)
    expect(penaltyAt(5, 1)).not.toBe(at)
    const shares = Array.from({ length: 12 }, (_, step) => shareOf(penaltyAt(step)))
    for (const pair of shares) expect(pair.some(share => share >= 0 && share < 1)).toBe(true)
  })

  test.each(['r1', 'wgan-gp'] as const)('a discriminator and %s have exact gradients', kind => {
    const network = patchDiscriminator({ filters: 2, layers: 1, seed: 3 })
    for (const each of Object.values(network.variables())) each.assign(tf.mul(each, 20))
    const images: [tf.Tensor4D, tf.Tensor4D] = [randomImages([2, 8, 8, 3], 'p'), randomImages([2, 8, 8, 3], 't')]
    const loss = adversarial(network, { objective: 'non-saturating', gradientPenalty: { kind } })
    const { exact, numeric } = slopes(loss, images, 0, 2e-3)
    expect(numeric / exact).toBeCloseTo(1, 1.5)
    network.dispose()
  })

  test('a flat critic gives no NaN', () => {
    const weights = tf.variable(tf.zeros([1, 2, 2, 3]))
    for (const kind of ['r1', 'wgan-gp'] as const) {
      const { judge } = adversarial(linear(weights), { gradientPenalty: { kind } })
      const images = tf.zeros([1, 2, 2, 3]) as tf.Tensor4D
      const { value: total, grads } = tf.variableGrads(() => judge(images, images).total, [weights])
      expect([...total.dataSync(), ...grads[weights.name]!.dataSync()].every(Number.isFinite)).toBe(true)
    }
    weights.dispose()
  })
})

test('without gradients of gradients it says what to call', () => {
  const refusal = expect.objectContaining({
    code: 'invalid-argument',
    message: expect.stringContaining('installSecondOrderGradients() of @fx/backend/training'),
  })
  const images = randomImages([1, 8, 8, 3], 'x')
  const network = patchDiscriminator({ filters: 1, layers: 1 })
  const { judge } = adversarial(network, { gradientPenalty: { kind: 'r1' } })
  network.variables()
  const before = tf.memory().numTensors
  expect(() => judge(images, images)).toThrow(refusal)
  expect(() => wganGpPenalty(x => tf.sum(x), images)).toThrow(refusal)
  expect(tf.memory().numTensors).toBe(before)
  network.dispose()
})
