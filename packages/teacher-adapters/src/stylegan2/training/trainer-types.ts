import type { TrainingImage } from '../../training/image-source.js'
import type { SavedTraining } from '../../training/snapshot.js'
import type { DiscriminatorConfig, GeneratorConfig } from '../config.js'
import type { Discriminator } from '../discriminator.js'
import type { Generator } from '../generator.js'
import type { AdaptiveAugmentation, AugmentationTransform } from './augment.js'
import type { PenaltyForm } from './regularisers.js'

/** Augmentation of what the discriminator sees. */
export interface AugmentationOptions {
  policy: readonly AugmentationTransform[]
  /** Probability per image and transform, or `'adaptive'`: as much as keeps the discriminator from memorising. */
  p: number | 'adaptive'
  /** What the adaptive controller keeps: the mean sign of the logits of real images. */
  target: number
  /** Thousands of images in which an adaptive p may go from 0 to 1. */
  speed: number
}

export interface TrainerOptions {
  generator: GeneratorConfig
  discriminator: DiscriminatorConfig
  seed: number
  batchSize: number
  /** Of both networks, before the correction for lazy regularisation. */
  learningRate: number
  /** R1 on every `every`th step, weighted as if on each; `gamma` 0 for none. */
  r1: { gamma: number; every: number; form: PenaltyForm }
  /** Path length on every `every`th step on `batchSize / shrink` images; `weight` 0 for none. */
  pathLength: { weight: number; every: number; shrink: number; form: PenaltyForm }
  /** Probability of style mixing. */
  mixing: number
  /** Images after which the averaged generator has forgotten half. */
  emaHalfLife: number
  /**
   * The generator's mapping and its blocks up to this resolution keep their weights (Lee et al., "FreezeG", 2020). Default
   * 0: everything is trained.
   */
  freeze?: number
  /** Default false. */
  augment?: false | AugmentationOptions
}

/** Figures of one step. */
export interface TrainerFigures {
  generatorLoss: number
  discriminatorLoss: number
  /** Mean logits of real and generated images: above zero the discriminator takes them for real. */
  realScore: number
  fakeScore: number
  /** Mean sign of the logits of real images, as the augmentation's controller sees it. */
  realSign: number
  r1?: number
  pathLength?: number
  /** Probability of augmentation in this step. */
  augmentation?: number
  /** Wall-clock time of the step's parts. */
  generatorSeconds: number
  discriminatorSeconds: number
  pathLengthSeconds?: number
  r1Seconds?: number
  averageSeconds: number
}

/** What a trainer needs to go on: plain JSON and arrays. */
export type SavedTrainer = SavedTraining<{
  step: number
  meanPathLength: number
  optimizerSteps: Record<string, number>
  /** Of an adaptive augmentation. */
  augmentation?: AdaptiveAugmentation
}>

/** A generator and a discriminator in training. It owns all its tensors. */
export interface Trainer {
  readonly generator: Generator
  readonly discriminator: Discriminator
  /** Steps done. */
  readonly step: number
  /**
   * One step on `batchSize` real images: generator, path length, discriminator, R1, average. Generated images get the
   * labels of the real ones.
   *
   * @throws FxError `not-finite` when a loss is; `shape-mismatch` for images or labels of another size.
   */
  train(real: readonly TrainingImage[]): Promise<TrainerFigures>
  /** Runs `work` with the averaged weights in the generator. */
  withAverage<T>(work: (generator: Generator) => Promise<T>): Promise<T>
  save(): Promise<SavedTrainer>
  dispose(): void
}
