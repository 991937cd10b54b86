export {
  type AlignmentOptions,
  type AlignmentScores,
  type AlignmentVerdict,
  judgeAlignment,
} from './image/alignment.js'
export { toRgbImages } from './image/tensor.js'
export { type NamedWeight, type NamedWeights, selectWeights } from './network/weights.js'
export { type Stylegan2TeacherOptions, stylegan2Teacher } from './stylegan2/adapter.js'
export type { EditSource, GeneratorSource } from './stylegan2/adapter-checkpoint.js'
export { type ReadStylegan2Options, readStylegan2, type Stylegan2Checkpoint } from './stylegan2/checkpoints.js'
export {
  type DiscriminatorWeights,
  type EncodeStylegan2Options,
  encodeStylegan2,
  type GeneratorWeights,
} from './stylegan2/checkpoints-safetensors.js'
export {
  type DiscriminatorConfig,
  type GeneratorConfig,
  resolveDiscriminatorConfig,
  resolveGeneratorConfig,
  type StyleLayer,
} from './stylegan2/config.js'
export {
  type Discriminator,
  type DiscriminatorOptions,
  randomDiscriminatorWeights,
  stylegan2Discriminator,
} from './stylegan2/discriminator.js'
export {
  type DirectionEdit,
  type DirectionOptions,
  directionEdit,
  type Level,
  type Rows,
  type StyleVectors,
  splitStyles,
} from './stylegan2/edits/direction.js'
export type { Edit, LatentEditor } from './stylegan2/edits/edit.js'
export { encodeEdits, parseEdits } from './stylegan2/edits/file.js'
export { type SefaDirection, type SefaOptions, sefa } from './stylegan2/edits/sefa.js'
export {
  type SupervisedDirection,
  type SupervisedDirectionOptions,
  supervisedDirection,
} from './stylegan2/edits/supervised.js'
export {
  type GenerateOptions,
  type Generator,
  type GeneratorOptions,
  type Latents,
  randomGeneratorWeights,
  stylegan2Generator,
  type TruncationOptions,
} from './stylegan2/generator.js'
export type { Noise } from './stylegan2/noise.js'
export type { Styles } from './stylegan2/styles.js'
