export { calibrateBatchNorm } from './weights/calibrate.js'
export { type LoadEncoderWeightsOptions, loadEncoderWeights } from './weights/load.js'
export {
  type InputNormalization,
  imagenetNormalization,
  normalizeInput,
  pixelNormalization,
  symmetricNormalization,
} from './weights/normalization.js'
export type { EncoderWeightsReport } from './weights/report.js'
