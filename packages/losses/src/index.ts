export { FxError } from '@fx/core'
export { type ColourMomentsOptions, colourMoments } from './colour-moments.js'
export { gradientLoss, sobelLoss } from './gradient.js'
export { identityLoss } from './identity.js'
export type { Loss, LossOptions } from './loss.js'
export { type MsSsimOptions, msSsim, multiScaleSimilarity } from './ms-ssim.js'
export { type CharbonnierOptions, charbonnier, l1, l2 } from './pixel.js'
export { type ChangeWeightOptions, changeWeights, type MaskWeightOptions, maskWeights } from './regions.js'
export { type AdaptiveRobust, type AdaptiveRobustOptions, adaptiveRobust } from './robust/adaptive.js'
export { type GeneralRobustOptions, generalRobust } from './robust/general.js'
export { logPartition } from './robust/partition.js'
export { robustPenalty } from './robust/penalty.js'
export { type SsimOptions, ssim, structuralSimilarity } from './ssim.js'
export { type FramePair, type TemporalConsistencyOptions, temporalConsistency } from './temporal/consistency.js'
export { equivariance, type MotionOptions, motion, type Perturbation, sensorNoise } from './temporal/equivariance.js'
export { type WarpOptions, warp } from './temporal/warp.js'
export {
  type AdversarialLoss,
  type Adversary,
  type AdversaryValue,
  isAdversary,
  isTrainable,
  loadVariables,
  saveVariables,
  type Trainable,
  type TrainableLoss,
} from './trainable.js'
export { type TotalVariationOptions, totalVariation } from './variation.js'
export {
  type LossTerm,
  type Schedule,
  type WeightedAdversary,
  type WeightedLoss,
  type WeightedLossValue,
  warmUp,
  weighted,
} from './weighted.js'
