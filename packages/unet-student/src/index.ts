export { type CostReport, cost, formatCost, type LayerCost } from './cost.js'
export {
  type Decoder,
  type DecoderApplyOptions,
  type DecoderSpec,
  type Resolution,
  resolutions,
  type UnetDecoderOptions,
  unetDecoder,
} from './decoder.js'
export {
  crop,
  type DecoderBlock,
  decoderBlocks,
  type ImageSize,
  joinFeature,
  reduceChannels,
  refine,
  type Skip,
  skips,
  type Upsampling,
  upsample,
  upsamplings,
} from './decoder-parts.js'
export {
  applyHead,
  type Head,
  type HeadActivation,
  type HeadKernelSize,
  type HeadOptions,
  headActivations,
  headKernelSizes,
  heads,
} from './head.js'
export { type Condition, film, parameterInput, type StudentParameter } from './parameters.js'
export { type Preset, type StudentPreset, studentPresets } from './presets.js'
export { parseStudentSpec, STUDENT_FORMAT_VERSION, type StudentSpec, studentSpecHash } from './spec.js'
export { type Student, studentFromSpec, type UnetStudentOptions, unetStudent } from './student.js'
