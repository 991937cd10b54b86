export type { FeatureExtractor } from './perceptual/extractor.js'
export { type FaceFeaturesOptions, uncalibratedFaceFeatures } from './perceptual/face.js'
