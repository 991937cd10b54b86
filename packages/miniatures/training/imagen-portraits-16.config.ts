import { defineImagenTraining } from '@fx/teacher-adapters/imagen/training'
import { captionedPortraits } from './captioned-portraits.js'
import { openPortraitTextEncoder } from './open-text-encoder.js'

/** The base stage of the miniature: the portraits lie on a grid of 16 x 16 squares, so 16 pixels show all there is. */
export default defineImagenTraining({
  out: 'out/miniatures/imagen-portraits-16',
  images: captionedPortraits,
  text: openPortraitTextEncoder,
  stage: { resolution: 16 },
  unet: {
    blockOutChannels: [64, 96],
    attentionHeadDim: 32,
    encoderHidDim: 48,
    crossAttentionDim: 64,
    additionEmbedTypeNumHeads: 4,
    actFn: 'silu',
    normNumGroups: 8,
    patchSize: 2,
  },
  totalImages: 192_000,
  batchSize: 64,
  learningRate: 0.001,
  decay: 'cosine',
  emaHalfLife: 8000,
  every: { log: 3200, snapshot: 16_000, evaluation: 32_000 },
})
