import { createRequire } from 'node:module'
import { prepareBackend } from '@fx/backend'
import { seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, type Mock, onTestFinished, test, vi } from 'vitest'
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
      // The first batch is written down as a graph, which must work on other latents.
      const other = generator.latents(Array.from({ length: batch }, (_, seed) => 100 + seed))
      generator.generate(other, options).dispose()
      other.dispose()
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

/** What is used of the backend's binding. */
interface Binding {
  loadSavedModel: Mock<(folder: string, tag: string) => number>
  runSavedModel: Mock<(...given: unknown[]) => unknown>
  deleteSavedModel: Mock<(id: number) => void>
}

const graphSuite = (): void => {
  const config = { resolution: 32, channelBase: 512, channelMax: 16, zDim: 8, wDim: 12, mappingLayers: 2 }
  /** The binding's own functions cannot be replaced. */
  const watched = (): Binding => {
    const backend = tf.backend() as unknown as { binding: Binding }
    const { binding } = backend
    const spies = Object.create(binding, {
      loadSavedModel: { value: vi.fn((folder: string, tag: string) => binding.loadSavedModel(folder, tag)) },
      runSavedModel: { value: vi.fn((...given: unknown[]) => binding.runSavedModel(...given)) },
      deleteSavedModel: { value: vi.fn((id: number) => binding.deleteSavedModel(id)) },
    })
    backend.binding = spies
    onTestFinished(() => {
      backend.binding = binding
    })
    return spies
  }
  const open = async () => {
    await prepareBackend({ backend: 'tfjs-node' })
    const generator = stylegan2Generator({ config, weights: randomGeneratorWeights(config, 1) })
    const image = (count: number) =>
      tf.tidy(() => generator.generate(generator.latents(Array.from({ length: count }, (_, i) => i))).dataSync())
    return { generator, image }
  }

  test('each size of batch is one graph, the last eight are kept, and all end with the generator', async () => {
    const { generator, image } = await open()
    const { loadSavedModel, runSavedModel, deleteSavedModel } = watched()
    for (let count = 1; count <= 9; count++) image(count)
    image(9)
    expect(loadSavedModel).toHaveBeenCalledTimes(9)
    expect(runSavedModel).toHaveBeenCalledTimes(10)
    expect(deleteSavedModel).toHaveBeenCalledTimes(1)
    image(1)
    expect(loadSavedModel).toHaveBeenCalledTimes(10)
    generator.dispose()
    expect(deleteSavedModel).toHaveBeenCalledTimes(10)
  })

  test('where TensorFlow cannot load a graph, operations run one by one', async () => {
    const { generator, image } = await open()
    const expected = image(2)
    generator.dispose()
    const other = await open()
    const { loadSavedModel, runSavedModel } = watched()
    loadSavedModel.mockImplementation(() => {
      throw new Error('no space left')
    })
    expect(other.image(2)).toEqual(expected)
    expect(other.image(2)).toEqual(expected)
    expect(loadSavedModel).toHaveBeenCalledTimes(1)
    expect(runSavedModel).not.toHaveBeenCalled()
    other.generator.dispose()
  })
}

if (installed) {
  describe('graphs on tfjs-node', graphSuite)
  describe('the generator on tfjs-node', directSuite)
  describe('the reference networks on tfjs-node', () => goldenSuite('tfjs-node'))
  describe('the regularisers on tfjs-node', () => regulariserSuite('tfjs-node'))
} else {
  test('tfjs-node is not installed here', () => {
    console.warn('tfjs-node is not installed, so its tests did not run: npm run setup:tfjs-node provides it.')
  })
}
