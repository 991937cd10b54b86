export {
  type AdaptiveAugmentation,
  type AdaptiveOptions,
  type AugmentationDraw,
  type AugmentationTransform,
  adaptAugmentation,
  augmentationTransforms,
  augmentImages,
} from './stylegan2/training/augment.js'
export type { Stylegan2TrainingConfig } from './stylegan2/training/config.js'
export { type EnlargeOptions, enlarge } from './stylegan2/training/enlarge.js'
export { discriminatorLoss, generatorLoss } from './stylegan2/training/losses.js'
export { type Penalty, type PenaltyForm, pathLengthPenalty, r1Penalty } from './stylegan2/training/regularisers.js'
export { readSnapshot, type Snapshot, writeSnapshot } from './stylegan2/training/snapshot.js'
export {
  defineStylegan2Training,
  type Stylegan2TrainingResult,
  trainStylegan2,
} from './stylegan2/training/train.js'
export { createTrainer } from './stylegan2/training/trainer.js'
export type {
  AugmentationOptions,
  SavedTrainer,
  Trainer,
  TrainerFigures,
  TrainerOptions,
} from './stylegan2/training/trainer-types.js'
export {
  collectStatistics,
  type FeatureExtractor,
  type FeatureStatistics,
  frechetDistance,
  type StatisticsCollector,
  thumbnail8x8,
} from './training/frechet.js'
export { imageGrid } from './training/grid.js'
export type { ImageSource, TrainingImage } from './training/image-source.js'
export {
  imageFolder,
  type ShardImagesOptions,
  shardImages,
  type TeacherImagesOptions,
  teacherImages,
} from './training/image-sources.js'
