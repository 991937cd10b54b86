export {
  defaultParameters,
  type EffectSpec,
  FxError,
  type FxErrorCode,
  type ParameterRange,
  parseEffectSpec,
} from '@fx/core'
export {
  parameterResolver,
  type ResolvedPairRequest,
  throwIfAborted,
  validatePairRequest,
} from './contract/request.js'
export type { TeacherTraining, TrainingEvent, TrainingRunOptions } from './contract/training.js'
export type {
  Licence,
  PairRequest,
  Provenance,
  RgbImage,
  SkippedSeed,
  TeacherAdapter,
  TeacherCapabilities,
  TeacherPair,
} from './contract/types.js'
export { type DecodePngOptions, decodePng, encodePng } from './image/png.js'
export { changedRegion, checkRgbImage, equalImages } from './image/rgb.js'
