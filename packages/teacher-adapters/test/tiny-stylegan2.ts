import { seededRandom } from '@fx/core'
import { type Generator, type NamedWeight, randomGeneratorWeights, stylegan2Generator } from '../src/stylegan2.js'

export const tinyConfig = { resolution: 16, channelBase: 128, channelMax: 8, zDim: 8, wDim: 8, mappingLayers: 2 }

export interface TinyOptions {
  cDim?: number
  /** Changes an array in place. */
  change?: (name: string, data: Float32Array) => void
}

/** Random weights whose noise, biases and average are not zero. */
export const tinyWeights = ({ cDim = 0, change }: TinyOptions = {}): Map<string, NamedWeight> => {
  const weights = randomGeneratorWeights({ ...tinyConfig, cDim }, 'tiny')
  for (const [name, { data }] of weights) {
    const random = seededRandom('not zero', name)
    if (/noise_strength|bias|w_avg/.test(name)) data.set(data.map(value => value + 0.1 * random.normal()))
    change?.(name, data)
  }
  return weights
}

/** A generator of 16 pixels, fast on every backend. Its w has 8 values, its W+ 6 rows, its layers 8 channels. */
export const tinyGenerator = (options: TinyOptions = {}): Generator =>
  stylegan2Generator({ config: { ...tinyConfig, cDim: options.cDim ?? 0 }, weights: tinyWeights(options) })
