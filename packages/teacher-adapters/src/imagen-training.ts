export { type BatchOptions, noisyBatches } from './imagen/training/batch.js'
export { type CaptionEmbedder, captionEmbedder, type TextEncoder } from './imagen/training/captions.js'
export type { ImagenTrainingConfig } from './imagen/training/config.js'
export { diffusionLoss, type NoisyBatch, type Objective } from './imagen/training/loss.js'
export { type ImagenSnapshot, readImagenSnapshot, writeImagenSnapshot } from './imagen/training/snapshot.js'
export { defineImagenTraining, type ImagenTrainingResult, trainImagen } from './imagen/training/train.js'
export { createImagenTrainer } from './imagen/training/trainer.js'
export type {
  BaseStage,
  ImagenStage,
  ImagenTrainer,
  ImagenTrainerFigures,
  ImagenTrainerOptions,
  SavedImagenTrainer,
  SuperResolutionStage,
} from './imagen/training/trainer-types.js'
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
