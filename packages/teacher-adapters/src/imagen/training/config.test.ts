import { expect, test } from 'vitest'
import { tinyImagenTraining, tinyUnet } from '../../../test/tiny-imagen.js'
import { defineImagenTraining, type ImagenTrainingConfig } from '../../imagen-training.js'

const stage = { resolution: 16, lowResolution: 8 }

test.each<[string, Record<string, unknown>, RegExp]>([
  ['an unknown member', { epochs: 3 }, /no member 'epochs'; the members are 'out', /],
  ['a member of the unet that the stage decides', { unet: { ...tinyUnet, inChannels: 6 } }, /unet: .*'inChannels'/],
  ['a unet that does not fit together', { unet: { ...tinyUnet, blockOutChannels: [7, 8] } }, /7 is no multiple of/],
  ['a unet without channels', { unet: { ...tinyUnet, blockOutChannels: undefined } }, /unet\.blockOutChannels/],
  ['a unet that is none', { unet: 'small' }, /unet/],
  ['a side that the unet cannot halve', { stage: { resolution: 9 } }, /resolution is 9; .*multiples of 2/],
  ['a stage that enlarges nothing', { stage: { resolution: 16, lowResolution: 16 } }, /lowResolution is 16; .*divisor/],
  ['a part of a pixel', { stage: { resolution: 16, lowResolution: 5 } }, /lowResolution is 5; .*divisor of 16/],
  ['noise without a low resolution', { stage: { resolution: 8, noiseLevel: { min: 0, max: 9 } } }, /lowResolution too/],
  ['levels the wrong way round', { stage: { ...stage, noiseLevel: { min: 9, max: 1 } } }, /from 9 to 1/],
  [
    'a level beyond the last',
    { stage: { ...stage, noiseLevel: { min: 0, max: 1000 } } },
    /stage\.noiseLevel\.max.*999/,
  ],
  ['prompts of a stage that enlarges', { stage, grid: { prompts: ['a disc'] } }, /prompts are of a base stage/],
  ['no images', { images: 'faces/' }, /images: must be an image source/],
  ['no encoder', { text: 't5-small' }, /text: must be a text encoder/],
  ['an objective that is none', { objective: 'epsilon' }, /objective.*"v".*"eps".*"x0"/],
  ['a schedule that is none', { schedule: 'cosine' }, /schedule.*"squaredcos_cap_v2"/],
  ['a share above one', { captionDropout: 1.5 }, /captionDropout/],
  ['a rate that is none', { learningRate: Number.NaN }, /learningRate/],
  ['a cap below zero', { minSnrGamma: -1 }, /minSnrGamma/],
  ['a clip of zero', { clipNorm: 0 }, /clipNorm/],
  ['a fall that is none', { decay: 'linear' }, /decay/],
  ['no steps', { sampling: { steps: 0 } }, /sampling\.steps/],
  [
    'a level that the stage does not learn',
    { stage: { ...stage, noiseLevel: { min: 0, max: 9 } }, sampling: { noiseLevel: 10 } },
    /noiseLevel is 10; .*from 0 to 9/,
  ],
  ['a level of a stage that enlarges nothing', { sampling: { noiseLevel: 10 } }, /of a super-resolution stage/],
  ['no length', { totalImages: 0 }, /totalImages/],
])('%s is named', (_, change, message) => {
  const broken = { ...tinyImagenTraining('out', 'wasm'), ...change } as ImagenTrainingConfig
  expect(() => defineImagenTraining(broken)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
  expect(() => defineImagenTraining(broken)).toThrow(message)
})
