export { toRgbImages } from './image/tensor.js'
export { type ImagenTeacherOptions, imagenTeacher } from './imagen/adapter.js'
export type { MaskOf, PairPrompts, SourceOf } from './imagen/adapter-pairs.js'
export {
  addNoise,
  epsilonOf,
  guide,
  minSnrWeight,
  type NoiseScales,
  type PredictionType,
  predictionTarget,
  splitOutput,
  toEpsilon,
  toX0,
} from './imagen/diffusion/prediction.js'
export {
  type Sampler,
  type SamplerKind,
  type SamplerMethod,
  type SamplerRule,
  type SamplerStep,
  type SamplingPath,
  samplerOn,
} from './imagen/diffusion/sampler.js'
export {
  type BetaOptions,
  type BetaSchedule,
  type ContinuousSchedule,
  continuousLogSnr,
  type DiscreteSchedule,
  discreteSchedule,
  logSnrOf,
  type NoiseScale,
  type Posterior,
  posterior,
  scaleOfLogSnr,
} from './imagen/diffusion/schedule.js'
export { continuousPath, type SamplerOptions, sampler } from './imagen/diffusion/scheduler.js'
export {
  parseSchedulerConfig,
  type ResolvedSchedulerConfig,
  resolveSchedulerConfig,
  type SchedulerConfig,
  schedulerConfigJson,
  type VarianceType,
} from './imagen/diffusion/scheduler-config.js'
export { type Threshold, thresholded } from './imagen/diffusion/threshold.js'
export { respacedTimesteps, type TimestepSpacing } from './imagen/diffusion/timesteps.js'
export { type CascadeOptions, cascade } from './imagen/pipeline/cascade.js'
export type {
  Cascade,
  CascadeEdit,
  CascadeProgress,
  CascadeRequest,
  Rendering,
} from './imagen/pipeline/cascade-types.js'
export { type DiffusersStageOptions, readDiffusersStage } from './imagen/pipeline/diffusers-folder.js'
export type { EditMethod, EditStrength, StrengthMapping } from './imagen/pipeline/edit.js'
export type { PredictedMaskOptions } from './imagen/pipeline/mask.js'
export type { Stage, StageSampling } from './imagen/pipeline/stage.js'
export type { StageSource } from './imagen/pipeline/stage-source.js'
export {
  type EncodeImagenStageOptions,
  encodeImagenStage,
  type ImagenStageWeights,
  readImagenStage,
  type StageInfo,
} from './imagen/stage-file.js'
export {
  type PrecomputedEmbeddingsOptions,
  type PromptEmbedding,
  precomputedEmbeddings,
} from './imagen/text/precomputed.js'
export { randomT5Weights, type T5Encoder, type T5Options, type TokenRows, t5Encoder } from './imagen/text/t5.js'
export { type EncodeT5Options, encodeT5, readT5, type T5Weights } from './imagen/text/t5-checkpoint.js'
export { encodeT5Config, parseT5Config, type T5Config } from './imagen/text/t5-config.js'
export { openTextEncoder, type TextEncoder, type TextEncoderOptions } from './imagen/text/text-encoder.js'
export { openTokenizer, type TextTokenizer } from './imagen/text/tokenizer.js'
export {
  encodeUnetConfig,
  parseUnetConfig,
  type ResolvedUnetConfig,
  resolveUnetConfig,
  type UnetConfig,
} from './imagen/unet/config.js'
export {
  type DiffusionUnet,
  imagenUnet,
  randomUnetWeights,
  type UnetConditioning,
  type UnetOptions,
} from './imagen/unet/unet.js'
export { type NamedWeight, type NamedWeights, selectWeights } from './network/weights.js'
