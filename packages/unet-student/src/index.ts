export { type CostReport, cost, formatCost, type LayerCost } from './cost.js'
export {
  type Decoder,
  type DecoderSpec,
  type Skip,
  skips,
  type UnetDecoderOptions,
  type Upsampling,
  unetDecoder,
  upsamplings,
} from './decoder.js'
export { type Head, heads } from './head.js'
export { parseStudentSpec, STUDENT_FORMAT_VERSION, type StudentSpec, studentSpecHash } from './spec.js'
export { type Student, studentFromSpec, type UnetStudentOptions, unetStudent } from './student.js'
