import type { TrainingImage } from '../../training/image-source.js'
import type { SavedTraining } from '../../training/snapshot.js'
import type { BetaSchedule } from '../diffusion/schedule.js'
import type { ResolvedUnetConfig } from '../unet/config.js'
import type { DiffusionUnet } from '../unet/unet.js'
import type { Objective } from './loss.js'

/** A stage that makes images of `resolution` pixels a side from noise. */
export interface BaseStage {
  resolution: number
}

/** A stage that makes larger images of smaller ones, to which noise of these levels (whole timesteps) was added. */
export interface SuperResolutionStage extends BaseStage {
  lowResolution: number
  noiseLevel: { min: number; max: number }
}

export type ImagenStage = BaseStage | SuperResolutionStage

/** What decides the weights of a training. */
export interface ImagenTrainerOptions {
  stage: ImagenStage
  unet: ResolvedUnetConfig
  seed: number
  batchSize: number
  schedule: BetaSchedule
  objective: Objective
  minSnrGamma: number | false
  captionDropout: number
  /** Images of the warm-up, and at which the rate has fallen to zero along a cosine; without it stays. */
  learningRate: { peak: number; warmUp: number; until?: number }
  clipNorm: number | false
  emaHalfLife: number
}

/** Figures of one step. */
export interface ImagenTrainerFigures {
  /** Weighted mean squared error. */
  loss: number
  /** Before it was cut; not known on WebGPU. */
  gradientNorm?: number
  learningRate: number
  /** Wall-clock time of the step's parts. */
  textSeconds: number
  gradientSeconds: number
  updateSeconds: number
}

export type SavedImagenTrainer = SavedTraining<{ step: number; optimizerSteps: Record<string, number> }>

/** A UNet in training. It owns all its tensors. */
export interface ImagenTrainer {
  readonly unet: DiffusionUnet
  /** Steps done. */
  readonly step: number
  /**
   * One step on `batchSize` images with captions.
   *
   * @throws FxError `not-finite` when the loss is; `shape-mismatch` for images of another size; `invalid-argument` for one
   *   without a caption.
   */
  train(images: readonly TrainingImage[]): Promise<ImagenTrainerFigures>
  /** Runs `work` with the averaged weights in the network. */
  withAverage<T>(work: (unet: DiffusionUnet) => Promise<T>): Promise<T>
  save(): Promise<SavedImagenTrainer>
  dispose(): void
}
