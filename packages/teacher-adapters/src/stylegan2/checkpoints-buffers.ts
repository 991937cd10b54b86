import { FxError, seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { createStore } from '../network/store.js'
import type { NamedWeights } from '../network/weights.js'
import type { GeneratorConfig } from './config.js'
import { mapLatents } from './mapping.js'
import { generatorParameters } from './parameters.js'

// Buffers that some files lack: no parameters, but values that the authors' code measures or draws when it has none.

/** Normal noise, as the layers' constructors draw it; always the same. */
export const constantNoise = (name: string, shape: readonly number[]): Float32Array => {
  const random = seededRandom('stylegan2', 'constant noise', name)
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal())
}

const BATCHES = 8
const BATCH = 512

/**
 * The mean w of 4096 latents of a fixed seed, as rosinality's `mean_latent` measures it, on the current backend.
 *
 * @throws FxError `not-found` for a network with labels, whose mean would be another for each; `backend-unavailable`.
 */
export const averageW = async (config: Required<GeneratorConfig>, weights: NamedWeights): Promise<Float32Array> => {
  if (config.cDim > 0) {
    throw new FxError('not-found', 'stylegan2: the generator in the checkpoint lacks mapping.w_avg')
  }
  try {
    await tf.ready()
  } catch (cause) {
    throw new FxError(
      'backend-unavailable',
      'stylegan2: the checkpoint has no average w, and without a tfjs backend it cannot be computed; prepare one first',
      { cause },
    )
  }
  const specs = generatorParameters(config).filter(({ name }) => /^mapping\.fc\d/.test(name))
  const layers = new Map(specs.map(({ name }) => [name, weights.get(name)!]))
  const store = createStore('stylegan2: the mapping network', specs, layers, false)
  try {
    const random = seededRandom('stylegan2', 'average w')
    const sums = new Float64Array(config.wDim)
    for (let batch = 0; batch < BATCHES; batch++) {
      const values = Float32Array.from({ length: BATCH * config.zDim }, () => random.normal())
      const mean = tf.tidy(() => {
        const z = tf.tensor2d(values, [BATCH, config.zDim])
        return tf.mean(mapLatents(store, config.mappingLayers, z, undefined), 0)
      })
      const means = await mean.data()
      mean.dispose()
      for (let i = 0; i < sums.length; i++) sums[i] = sums[i]! + means[i]! / BATCHES
    }
    return Float32Array.from(sums)
  } finally {
    store.dispose()
  }
}
