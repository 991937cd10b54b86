import { defineStylegan2Training } from '@fx/teacher-adapters/stylegan2/training'
import { portraitImages } from './images.js'

/** The lower blocks of the miniature, where the drawings' own grid of 16 x 16 squares is a pixel each. */
export default defineStylegan2Training({
  out: 'out/miniatures/stylegan2-portraits-16',
  images: portraitImages,
  generator: { resolution: 16, channelBase: 1536, channelMax: 96, zDim: 128, wDim: 128, mappingLayers: 4 },
  totalImages: 100_000,
  batchSize: 16,
  r1: { gamma: 0.05 },
  pathLength: false,
  mixing: 0.5,
  emaHalfLife: 3000,
  augment: false,
})
