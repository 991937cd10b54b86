export { FxError } from '@fx/core'
export { gradientLoss } from './gradient.js'
export type { Loss, LossOptions } from './loss.js'
export { type CharbonnierOptions, charbonnier, l1 } from './pixel.js'
export { type SsimOptions, ssim, structuralSimilarity } from './ssim.js'
export {
  type LossTerm,
  type Schedule,
  type WeightedLoss,
  type WeightedLossValue,
  warmUp,
  weighted,
} from './weighted.js'
