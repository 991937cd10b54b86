import { seededRandom } from '@fx/core'
import {
  type ImagenStageWeights,
  type ImagenTeacherOptions,
  imagenTeacher,
  type NamedWeight,
  type NamedWeights,
  randomUnetWeights,
  type SchedulerConfig,
  type UnetConfig,
} from '../src/imagen.js'
import { tinyUnet, wordEncoder } from './tiny-imagen.js'

/** Networks begin with branches of zeros, and so without a trace of their text; these have none. */
const livelyWeights = (config: UnetConfig, seed: number): NamedWeights =>
  new Map(
    [...randomUnetWeights(config, seed)].map(([name, { shape, data }]): [string, NamedWeight] => {
      const { normal } = seededRandom(seed, 'lively', name)
      const still = data.every(value => value === 0)
      return [name, { shape, data: still ? data.map(() => 0.1 * normal()) : data }]
    }),
  )

const scheduler: SchedulerConfig = { betaSchedule: 'squaredcos_cap_v2', predictionType: 'v_prediction' }

const baseConfig: UnetConfig = { ...tinyUnet, sampleSize: 8, inChannels: 3, outChannels: 3 }
const enlargingConfig: UnetConfig = {
  ...tinyUnet,
  sampleSize: 16,
  inChannels: 6,
  outChannels: 3,
  classEmbedType: 'timestep',
}

/** A base stage of 8 pixels that has learnt nothing, and answers every prompt in another way. */
export const tinyBase = (change: Partial<UnetConfig> = {}): ImagenStageWeights => {
  const unet = { ...baseConfig, ...change }
  return { unet, weights: livelyWeights(unet, 1), scheduler, stage: { resolution: 8, text: 'words' } }
}

/** A stage that enlarges 8 pixels to 16. */
export const tinyEnlarger = (): ImagenStageWeights => ({
  unet: enlargingConfig,
  weights: livelyWeights(enlargingConfig, 2),
  scheduler,
  stage: { resolution: 16, lowResolution: 8, noiseLevel: { min: 10, max: 500 }, text: 'words' },
})

export const tinyStages = (): ImagenStageWeights[] => [tinyBase(), tinyEnlarger()]

export const tinySampling = [
  { sampler: { kind: 'dpm-solver++', steps: 4 }, guidance: 3 },
  { sampler: { kind: 'ddim', steps: 2, eta: 0.5 }, guidance: 1 },
] as const

/** A teacher that makes pairs of 16 pixels in an instant. */
export const tinyImagenTeacher = (change: Partial<ImagenTeacherOptions> = {}) =>
  imagenTeacher({
    stages: tinyStages(),
    text: wordEncoder(),
    sampling: tinySampling,
    alignment: false,
    licence: { id: 'CC0-1.0' },
    ...change,
  })
