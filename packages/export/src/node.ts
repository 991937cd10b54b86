export type { FrozenParameters } from './bundle/frozen.js'
export type { RgbImage, ValueRange } from './bundle/image.js'
export type { MeasureOptions } from './bundle/measure.js'
export {
  type EffectBundleExporterOptions,
  type ExportedBundle,
  effectBundle,
  type TrainedStudent,
} from './node/effect-bundle.js'
export { readGraphModel, writeGraphModel } from './node/graph-model-files.js'
export { type EffectBundleOptions, writeEffectBundle } from './node/write-effect-bundle.js'
