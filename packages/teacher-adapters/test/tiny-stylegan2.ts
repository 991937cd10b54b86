import { type EffectSpec, seededRandom } from '@fx/core'
import type { TeacherAdapter } from '../src/index.js'
import {
  directionEdit,
  type Generator,
  type NamedWeight,
  randomGeneratorWeights,
  type Stylegan2TeacherOptions,
  stylegan2Generator,
  stylegan2Teacher,
} from '../src/stylegan2.js'

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

/** Changes the colours of the tiny generator, of some faces too much for the alignment filter. */
export const tinyEdit = directionEdit({
  id: 'colour',
  space: 'styles',
  direction: { 'b4.torgb': Float32Array.of(1, -1, 1, -1, 1, -1, 1, -1) },
  strength: { min: 0, max: 0.25, default: 0.25 },
})

export const tinyEffect: EffectSpec = {
  id: 'colour',
  prompt: 'another colour',
  parameters: { strength: { ...tinyEdit.strength } },
}

export const tinyTeacher = (options: Partial<Stylegan2TeacherOptions> = {}): Promise<TeacherAdapter> =>
  stylegan2Teacher({
    checkpoint: { config: tinyConfig, weights: tinyWeights() },
    edits: [tinyEdit],
    attempts: 100,
    ...options,
  })
