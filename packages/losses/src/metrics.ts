export { FxError } from '@fx/core'
export type { IntervalOptions } from './metrics/bootstrap.js'
export { colourError } from './metrics/colour.js'
export { type EffectOptions, effectDirection, effectStrength } from './metrics/effect.js'
export type { Embedder } from './metrics/features.js'
export {
  type FeatureStatistics,
  type FrechetOptions,
  featureStatistics,
  frechet,
  frechetDistance,
} from './metrics/frechet.js'
export { type IdentityOptions, identitySimilarity } from './metrics/identity.js'
export { type KidOptions, kernelDistance, kid } from './metrics/kid.js'
export { deltaE2000, type Lab, labOfSrgb } from './metrics/lab.js'
export type { BatchPart, ConfidenceInterval, Metric, MetricBatch, MetricResult, SliceTable } from './metrics/metric.js'
export { type BatchWith, type PerImageOptions, type PsnrOptions, perImage, psnr, ssim } from './metrics/pixel.js'
export { flicker, warpingError } from './metrics/temporal.js'
