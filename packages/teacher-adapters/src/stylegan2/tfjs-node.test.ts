import { createRequire } from 'node:module'
import { prepareBackend } from '@fx/backend'
import { seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, test } from 'vitest'
import { goldenSuite } from '../../test/suites/goldens.js'
import { regulariserSuite } from '../../test/suites/regularisers.js'
import { randomGeneratorWeights, stylegan2Generator } from '../stylegan2.js'

const installed = (() => {
  try {
    return Boolean(createRequire(import.meta.url).resolve('@tensorflow/tfjs-node'))
  } catch {
    return false
  }
})()

/** What nothing records goes straight to TensorFlow, what a tape records through tfjs. */
const directSuite = (): void => {
  const config = { resolution: 256, channelBase: 2048, channelMax: 24, zDim: 8, wDim: 12, mappingLayers: 2 }
  const noises = ['const', 'none', { seed: 1 }] as const
  // The largest layers of a batch run image by image; a clamp and small images take other operations.
  const shapes = [config, { ...config, convClamp: 0.7 }, { ...config, resolution: 32 }]
  const cases = shapes.flatMap(shape => [1, 3].map(batch => ({ ...shape, batch })))

  test.each(cases)('$batch of $resolution pixels, clamped to $convClamp, are the same recorded', async given => {
    await prepareBackend({ backend: 'tfjs-node' })
    const { batch, ...shape } = given
    const weights = randomGeneratorWeights(shape, 1)
    for (const [name, { data }] of weights) {
      const random = seededRandom('not zero', name)
      if (/noise_strength|bias|w_avg/.test(name)) data.set(data.map(v => v + 0.1 * random.normal()))
    }
    const generator = stylegan2Generator({ config: shape, weights })
    const z = generator.latents(Array.from({ length: batch }, (_, seed) => seed))
    for (const noise of noises) {
      const options = { truncation: { psi: 0.7, cutoff: 3 }, noise }
      generator.generate(z, options).dispose()
      const before = tf.memory().numTensors
      const direct = generator.generate(z, options)
      expect(tf.memory().numTensors).toBe(before + 1)
      const difference = tf.valueAndGrad((x: tf.Tensor) => {
        const recorded = generator.generate(x as tf.Tensor2D, options)
        return tf.max(tf.abs(tf.sub(recorded, direct))) as tf.Scalar
      })(z).value
      expect(difference.dataSync()[0]).toBeLessThan(3e-5)
      expect(tf.max(tf.abs(direct)).dataSync()[0]).toBeGreaterThan(0.5)
    }
    generator.dispose()
  })
}

if (installed) {
  describe('the generator on tfjs-node', directSuite)
  describe('the reference networks on tfjs-node', () => goldenSuite('tfjs-node'))
  describe('the regularisers on tfjs-node', () => regulariserSuite('tfjs-node'))
} else {
  test('tfjs-node is not installed here', () => {
    console.warn('tfjs-node is not installed, so its tests did not run: npm run setup:tfjs-node provides it.')
  })
}
