import { installSecondOrderGradients } from '@fx/backend/training'
import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, test } from 'vitest'
import { randomImages, readFixture } from '../../test/helpers.js'
import { expectClose, lossSuite, onEachBackend, value } from '../../test/suite.js'
import { pix2pixHdVariables, unitImages } from '../../test/torch-kernels.js'
import { adversarial, type GradientPenalty, multiScaleDiscriminator, patchDiscriminator } from '../adversarial.js'
import { isAdversary, type LossOptions, l1, loadVariables, saveVariables, weighted } from '../index.js'

const fooling = adversarial(patchDiscriminator({ filters: 4, layers: 1, norm: 'none' }), {
  objective: 'non-saturating',
})

// Its optimum are images that the discriminator takes for targets, where the loss itself is 0.
lossSuite([
  {
    name: 'adversarial, with a fixed discriminator',
    loss: fooling,
    distance: fooling,
    left: 0.999,
    atEqual: false,
    smallest: 6,
  },
])

onEachBackend(() => {
  test('both sides equal pix2pixHD', () => {
    const fixture = readFixture('patchgan_pix2pixhd.safetensors')
    const network = multiScaleDiscriminator({ filters: 4, padding: 2, channels: 6 })
    loadVariables(network, pix2pixHdVariables(fixture))
    const loss = adversarial(network, { objective: 'lsgan' })
    const [real, fake] = [unitImages(fixture.real!), unitImages(fixture.fake!)]
    const near = { atol: 1e-5, rtol: 1e-4 }
    expectClose(loss(fake, real), fixture.lsgan_g!.data, near)
    expectClose(loss.judge(fake, real).total, fixture.lsgan_d!.data, near)
    network.dispose()
  })

  test('with weights only what lies under them is judged, by both sides', () => {
    const loss = adversarial(patchDiscriminator({ filters: 2, layers: 1, norm: 'none', padding: 2 }))
    const target = randomImages([1, 32, 32, 3], 't')
    const left = tf.concat([tf.ones([1, 32, 8, 1]), tf.zeros([1, 32, 24, 1])], 2) as tf.Tensor4D
    const other = tf.add<tf.Tensor4D>(
      target,
      tf.pad(tf.ones([1, 32, 8, 3]), [
        [0, 0],
        [0, 0],
        [24, 0],
        [0, 0],
      ]),
    )
    const both = (prediction: tf.Tensor4D, options?: LossOptions): number[] => [
      value(loss(prediction, target, options)),
      value(loss.judge(prediction, target, options).total),
    ]
    const differ = (options?: LossOptions): number[] => {
      const of = both(target, options)
      return both(other, options).map((each, i) => Math.abs(each - of[i]!))
    }
    for (const difference of differ()) expect(difference).toBeGreaterThan(2e-5)
    for (const difference of differ({ weights: left })) expect(difference).toBeLessThan(1e-7)
    loss.dispose()
  })

  test('what the student was shown is passed on to a conditional discriminator', () => {
    const loss = adversarial(patchDiscriminator({ filters: 2, layers: 1, norm: 'none', inputChannels: 2 }))
    const [p, t] = [randomImages([1, 8, 8, 3], 'p'), randomImages([1, 8, 8, 3], 't')]
    const shown = (level: number) => ({ input: tf.fill([1, 8, 8, 2], level) as tf.Tensor4D })
    expect(value(loss(p, t, shown(0)))).not.toBeCloseTo(value(loss(p, t, shown(1))), 5)
    expect(value(loss.judge(p, t, shown(0)).total)).not.toBeCloseTo(value(loss.judge(p, t, shown(1)).total), 5)
    const missing = expect.objectContaining({ code: 'invalid-argument' })
    expect(() => loss(p, t)).toThrow(missing)
    expect(() => loss.judge(p, t)).toThrow(missing)
    loss.dispose()
  })

  const penalties: (GradientPenalty | undefined)[] = [undefined, { kind: 'r1' }, { kind: 'wgan-gp' }]
  describe.each([
    ['hinge', penalties[1]],
    ['non-saturating', penalties[0]],
    ['lsgan', penalties[0]],
    ['wgan', penalties[2]],
    ['relativistic-hinge', penalties[1]],
  ] as const)('%s, %o', (objective, gradientPenalty) => {
    test('a discriminator learns to tell, and a picture learns from it', () => {
      const uninstall = installSecondOrderGradients()
      // Targets are smooth and bright, the picture begins as dark noise.
      const target = tf.mul<tf.Tensor4D>(tf.ones([2, 8, 8, 3]), 0.8)
      const picture = tf.variable(randomImages([2, 8, 8, 3], 'noise', 0, 0.6))
      const loss = adversarial(patchDiscriminator({ filters: 4, layers: 1, norm: 'none' }), {
        objective,
        ...(gradientPenalty && { gradientPenalty }),
      })
      const variables = Object.values(loss.variables())
      const [judges, paints] = [tf.train.adam(0.01, 0.5, 0.9), tf.train.adam(0.01, 0.5, 0.9)]
      const apart = (): number => {
        const { total, scores } = loss.judge(picture as tf.Tensor4D, target, { step: 1 })
        const difference = value(scores.real!) - value(scores.fake!)
        tf.dispose([total, scores.penalty ?? []])
        return difference
      }
      const judge = (step: number) =>
        judges.minimize(() => loss.judge(picture as tf.Tensor4D, target, { step }).total, false, variables)
      const start = apart()
      for (let step = 0; step < 40; step++) judge(step)
      expect(apart()).toBeGreaterThan(start + 0.3)
      const distance = () => value(l1()(picture as tf.Tensor4D, target))
      const far = distance()
      let held = 0
      for (let step = 40; step < 100; step++) {
        paints.minimize(() => loss(picture as tf.Tensor4D, target), false, [picture])
        judge(step)
        // Both optimisers have made their own by now.
        if (step === 40) held = tf.memory().numTensors
      }
      expect(tf.memory().numTensors).toBe(held)
      expect(distance()).toBeLessThan(0.6 * far)
      loss.dispose()
      uninstall()
    })
  })
})

test('it is an adversary within a weighted sum, and its variables are kept', async () => {
  const loss = adversarial(patchDiscriminator({ filters: 1, layers: 1 }))
  expect(isAdversary(loss)).toBe(true)
  const sum = weighted([
    { name: 'l1', loss: l1() },
    { name: 'gan', loss, weight: 0.1, balance: true },
  ])
  const names = ['conv0.kernel', 'conv0.offset', 'conv1.kernel', 'conv2.kernel', 'conv2.offset']
  expect(Object.keys(sum.adversary!.variables())).toEqual(names.map(name => `gan/${name}`))
  const saved = await saveVariables(sum)
  loss.dispose()
  loadVariables(sum, saved)
  expect(await saveVariables(sum)).toEqual(saved)
  const [p, t] = [randomImages([1, 8, 8, 3], 'p'), randomImages([1, 8, 8, 3], 't')]
  const before = tf.memory().numTensors
  const { total, scores } = sum.adversary!.judge(p, t, { step: 0 })
  expect(Object.keys(scores)).toEqual(['gan/real', 'gan/fake'])
  tf.dispose([total, scores])
  expect(tf.memory().numTensors).toBe(before)
  loss.dispose()
})

test('wrong images and options are refused', () => {
  const discriminator = patchDiscriminator({ filters: 1 })
  const refuses = (call: () => unknown, code: string, message: string) => {
    expect(call).toThrow(expect.objectContaining({ code, message: expect.stringContaining(message) }))
  }
  const loss = adversarial(discriminator)
  const images = tf.zeros([1, 24, 24, 3]) as tf.Tensor4D
  const pixel = tf.zeros([1, 1, 1, 3]) as tf.Tensor4D
  refuses(() => loss(images, pixel), 'shape-mismatch', 'must have one shape')
  refuses(() => loss.judge(images, pixel), 'shape-mismatch', 'must have one shape')
  refuses(() => loss(pixel, pixel), 'shape-mismatch', 'at least 24 pixels')
  refuses(() => loss.judge(pixel, pixel), 'shape-mismatch', 'at least 24 pixels')
  refuses(() => loss(images, images, { weights: images }), 'shape-mismatch', 'weights must be')
  const bad = (options: object) => () => adversarial(discriminator, options as never)
  refuses(bad({ objective: 'gan' }), 'invalid-argument', 'adversarial: objective is "gan"; it must be \'hinge\'')
  refuses(bad({ gradientPenalty: { kind: 'r2' } }), 'invalid-argument', "it must be 'r1' or 'wgan-gp'")
  refuses(bad({ gradientPenalty: { kind: 'r1', gamma: -1 } }), 'invalid-argument', 'gamma is -1')
  refuses(bad({ gradientPenalty: { kind: 'r1', every: 0 } }), 'invalid-argument', 'every is 0')
  refuses(bad({ gradientPenalty: { kind: 'wgan-gp', weight: Number.NaN } }), 'invalid-argument', 'weight is NaN')
})
