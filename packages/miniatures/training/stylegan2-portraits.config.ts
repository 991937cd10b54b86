import { defineStylegan2Training } from '@fx/teacher-adapters/stylegan2/training'
import { portraitImages } from './images.js'

/** The miniature: the 16 px network of `stylegan2-portraits-16.config.ts`, grown to 64 px. */
export default defineStylegan2Training({
  out: 'out/miniatures/stylegan2-portraits',
  initial: {
    generator: 'out/miniatures/stylegan2-portraits-16/network-00100.000.safetensors',
    discriminator: 'out/miniatures/stylegan2-portraits-16/snapshot.safetensors',
  },
  enlarge: { steps: 1000, learningRate: 0.015 },
  images: portraitImages,
  generator: { resolution: 64, channelBase: 1536, channelMax: 96, zDim: 128, wDim: 128, mappingLayers: 4 },
  totalImages: 15_000,
  batchSize: 8,
  learningRate: 0.0015,
  r1: { gamma: 0.1 },
  pathLength: false,
  mixing: 0.5,
  emaHalfLife: 3000,
  augment: false,
  every: { evaluation: 5000 },
})
