export { FxError } from '@fx/core'
export type { IntervalOptions } from './metrics/bootstrap.js'
export type { BatchPart, ConfidenceInterval, Metric, MetricBatch, MetricResult, SliceTable } from './metrics/metric.js'
export { type PerImageOptions, type PsnrOptions, perImage, psnr, ssim } from './metrics/pixel.js'
