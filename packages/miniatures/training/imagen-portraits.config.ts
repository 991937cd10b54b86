import { defineImagenTraining } from '@fx/teacher-adapters/imagen/training'
import { captionedPortraits } from './captioned-portraits.js'
import { openPortraitTextEncoder } from './open-text-encoder.js'

/**
 * The super-resolution stage of the miniature: 16 to 64 pixels, four times as many, as in the paper's first. Its patches
 * of 4 x 4 pixels are 48 numbers wide, too many for the noise to pass 32 channels: so it tells the image, which is simple.
 */
export default defineImagenTraining({
  out: 'out/miniatures/imagen-portraits-64',
  images: captionedPortraits,
  text: openPortraitTextEncoder,
  stage: { resolution: 64, lowResolution: 16, noiseLevel: { min: 0, max: 400 } },
  unet: {
    blockOutChannels: [32, 64],
    attentionHeadDim: 32,
    encoderHidDim: 48,
    crossAttentionDim: 64,
    additionEmbedTypeNumHeads: 4,
    actFn: 'silu',
    normNumGroups: 8,
    patchSize: 4,
  },
  objective: 'x0',
  // What the low resolution tells counts most where the image itself is all noise.
  minSnrGamma: false,
  totalImages: 24_000,
  batchSize: 32,
  learningRate: 0.001,
  decay: 'cosine',
  emaHalfLife: 2000,
  every: { log: 3200, snapshot: 8000, evaluation: 8000 },
})
