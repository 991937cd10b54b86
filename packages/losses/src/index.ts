export { FxError } from '@fx/core'
export { type ColorMomentsOptions, colorMoments } from './color-moments.js'
export { gradientLoss, sobelLoss } from './gradient.js'
export type { Loss, LossOptions } from './loss.js'
export { type MsSsimOptions, msSsim, multiScaleSimilarity } from './ms-ssim.js'
export { type CharbonnierOptions, charbonnier, l1, l2 } from './pixel.js'
export { type ChangeWeightOptions, changeWeights, type MaskWeightOptions, maskWeights } from './regions.js'
export { type SsimOptions, ssim, structuralSimilarity } from './ssim.js'
export { type TotalVariationOptions, totalVariation } from './variation.js'
export {
  type LossTerm,
  type Schedule,
  type WeightedLoss,
  type WeightedLossValue,
  warmUp,
  weighted,
} from './weighted.js'
