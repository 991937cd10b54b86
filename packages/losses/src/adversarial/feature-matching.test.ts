import * as tf from '@tensorflow/tfjs-core'
import { expect, test } from 'vitest'
import { randomImages, readFixture } from '../../test/helpers.js'
import { expectClose, lossSuite, onEachBackend, value } from '../../test/suite.js'
import { nchw, pix2pixHdVariables, unitImages } from '../../test/torch-kernels.js'
import { type Discriminator, featureMatching, multiScaleDiscriminator, patchDiscriminator } from '../adversarial.js'
import { isTrainable, loadVariables } from '../index.js'

const plain = patchDiscriminator({ filters: 6, layers: 1, norm: 'none' })
const small = multiScaleDiscriminator({ filters: 4, layers: 1, scales: 2, padding: 2 })

lossSuite([
  { name: 'featureMatching', loss: featureMatching(plain), distance: featureMatching(plain), smallest: 6 },
  { name: 'featureMatching, two scales', loss: featureMatching(small), distance: featureMatching(small), left: 0.3 },
])

onEachBackend(() => {
  test('value and gradient equal pix2pixHD, which weighs it 10', () => {
    const fixture = readFixture('patchgan_pix2pixhd.safetensors')
    const network = multiScaleDiscriminator({ filters: 4, padding: 2, channels: 6 })
    loadVariables(network, pix2pixHdVariables(fixture))
    const [real, fake] = [unitImages(fixture.real!), unitImages(fixture.fake!)]
    const loss = featureMatching(network)
    const result = tf.valueAndGrad(x => tf.mul<tf.Scalar>(loss(x as tf.Tensor4D, real), 10))(fake)
    expectClose(result.value, fixture.feature_matching!.data, { atol: 1e-5, rtol: 1e-4 })
    // Slopes in [-1, 1] are half as steep as in [0, 1].
    const expected = fixture.grad_fm_fake!.data
    const most = expected.reduce((a, v) => Math.max(a, Math.abs(v)), 0)
    expectClose(nchw(tf.div(result.grad, 2)), expected, { atol: 1e-6 + 2e-3 * most })
    network.dispose()
  })
})

test('the target is a constant', () => {
  const loss = featureMatching(plain)
  const [x, y] = [randomImages([1, 8, 8, 3], 'x'), randomImages([1, 8, 8, 3], 'y')]
  expect(value(tf.max(tf.abs(tf.grad(t => loss(x, t as tf.Tensor4D))(y))))).toBe(0)
  expect(value(tf.max(tf.abs(tf.grad(p => loss(p as tf.Tensor4D, y))(x))))).toBeGreaterThan(0)
})

test('it is a loss without variables, and conditional where its discriminator is', () => {
  expect(isTrainable(featureMatching(plain))).toBe(false)
  const conditional = patchDiscriminator({ filters: 2, layers: 1, norm: 'none', inputChannels: 1 })
  const loss = featureMatching(conditional)
  const [x, y] = [randomImages([1, 8, 8, 3], 'x'), randomImages([1, 8, 8, 3], 'y')]
  const of = (level: number) => value(loss(x, y, { input: tf.fill([1, 8, 8, 1], level) }))
  expect(of(0)).not.toBeCloseTo(of(1), 5)
  expect(() => loss(x, y)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
  conditional.dispose()
})

test('logits alone are nothing to match', () => {
  const bare: Discriminator = { ...plain, features: images => [[tf.clone(images)]] }
  const x = randomImages([1, 8, 8, 3], 'x')
  expect(() => featureMatching(bare)(x, x)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
})
