import type { EffectSpec } from '@fx/core'
import type { Loss, WeightedLoss } from '@fx/losses'
import type { Metric } from '@fx/losses/metrics'
import type { RgbImage, TeacherAdapter } from '@fx/teacher-adapters'
import type * as tfl from '@tensorflow/tfjs-layers'

/**
 * What is trained: any LayersModel from images `[N, size, size, 3]` in [0, 1] to images of the same shape, with the plain
 * JSON that rebuilds it. A second model input, if there is one, is `[N, P]`: the effect's parameters in the order of the
 * effect spec.
 */
export interface Student {
  model: tfl.LayersModel
  /** Plain JSON from which the architecture can be built again. */
  spec: unknown
  /** Identity of `spec`; the same in every run of one architecture, whatever the teacher. */
  specHash: string
  /** Frees the weights. Without it the model itself is disposed. */
  dispose?(): void
}

/** What an exporter is given after training. It owns nothing of it. */
export interface Trained {
  model: tfl.LayersModel
  spec: unknown
  specHash: string
  effect: EffectSpec
  provenance: { teacher: string; teacherVersion: string; licences: string[] }
  /** Held-out figures by name. */
  metrics: Record<string, number>
  /** A held-out input on which the exported model can be checked. */
  probe: RgbImage
  /** The run's folder. */
  folder: string
}

/** What an exporter answers. Further members are kept in the run's record. */
export interface ExportResult {
  /** Where the export lies. */
  folder: string
  /** Largest difference between the exported model and the trained one. */
  maxAbsDiff: number
  /** Median latency of the trained LayersModel, ms. */
  layersMsP50: number
  /** Median latency of the exported model, ms. */
  fusedMsP50: number
}

/** Turns a trained student into something that ships; `effectBundle()` of `@fx/export` is one. */
export type Exporter = (trained: Trained) => Promise<ExportResult>

export interface PairOptions {
  /** Pairs to train on; so many fewer where the teacher skips seeds. */
  train: number
  /** Pairs kept out of training, to judge the student. */
  heldOut: number
  /** Parameter values of the pairs, as the teacher contract defines them. Default `'default'`. */
  parameters?: 'default' | 'sampled' | Record<string, number>
  /**
   * Keep the pairs as WebDataset shards and read them from there in later runs: `true` for `<out>/pairs`, or a folder.
   * Default `false`.
   */
  shards?: boolean | string
  /**
   * A pixel counts as changed by the teacher when one of its channels differs by more than this, 0-255. It decides both
   * the weighting of the loss and the evaluation. Default 8.
   */
  changedThreshold?: number
  /** Decoded pixels held in memory, MiB; pairs beyond it are read from the shards for each batch. Default 2048. */
  memoryMiB?: number
}

export interface AugmentationOptions {
  /** Mirror half of the pairs left to right. Default true. */
  flip?: boolean
  /** Largest shift in each direction, pixels; edges are repeated. Default 2. */
  shift?: number
  /** Largest relative change of brightness, the same for input and target. Default 0.1. */
  brightness?: number
  /** Largest relative change of each colour channel, the same for input and target. Default 0.05. */
  colour?: number
}

export interface TrainingOptions {
  steps: number
  /** Default 8. */
  batchSize?: number
  /** Peak of the schedule. Default 4e-3. */
  learningRate?: number
  /** Cosine falls to a hundredth of the peak at the last step (Loshchilov and Hutter, SGDR, 2017). Default `'cosine'`. */
  schedule?: 'cosine' | 'constant'
  /** Steps of linear rise at the start. Default 20, at most a tenth of `steps`. */
  warmupSteps?: number
  /**
   * Decay of the exponential moving average of the weights, which is what is evaluated and exported; `false` for none.
   * It ramps up as min(decay, (1 + t) / (10 + t)), so short runs are not held back by their start. Default 0.995.
   */
  ema?: number | false
  /** Largest global norm of the gradients; `false` for no clipping. Default 1. */
  clipNorm?: number | false
  /** How many times as much a changed pixel counts as a kept one. Default 8. */
  changedRegionWeight?: number
  /**
   * Default: L1. What it has to learn itself is trained beside the student: parameters of the loss with it, adversaries
   * such as discriminators against it, one update each a step.
   */
  loss?: Loss | WeightedLoss
  /** Peak for parameters that the loss learns with the student; they follow the student's schedule. Default 0.01. */
  lossLearningRate?: number
  /** Peak for the loss's adversaries, which follow the student's schedule. Default 4e-4. */
  adversaryLearningRate?: number
  /** `false` for none. */
  augmentation?: AugmentationOptions | false
  /**
   * Batches over which batch-norm statistics are measured again for the averaged weights; 0 keeps the statistics'
   * own moving averages. Worth 64 and more in a short run of a student whose batch-norm momentum is 0.99, which lags;
   * with a momentum of 0.9 the moving averages are as good, and fewer batches are worse. Default 0.
   */
  batchNormBatches?: number
  /** Steps between checkpoints. Default 100. */
  checkpointEvery?: number
  /**
   * Steps between evaluations on the first 32 held-out pairs; 0 for none before the last, which is on all. Default a
   * fifth of `steps`.
   */
  evaluateEvery?: number
  /** Steps that one point of the curves averages. Default 10. */
  logEvery?: number
}

/** Pairs of another teacher on which the trained student is judged as well: ground truth, where the own teacher has none. */
export interface JudgeOptions {
  /** Must know the run's effect and size. The run disposes the adapter. */
  teacher: () => TeacherAdapter | Promise<TeacherAdapter>
  /** Default: as many as `pairs.heldOut`. */
  pairs?: number
  /** The judge's first seed; the others follow. Choose seeds that the teacher was not made from. Default 0. */
  firstSeed?: number
}

/** A whole run, from teacher to report. */
export interface DistillConfig {
  /** Title of the report. Default: the effect's id. */
  name?: string
  /** Folder of the run, relative to the working directory. */
  out: string
  /** Default 1. */
  seed?: number
  /** Default `'auto'`: WebGPU on a real adapter, else wasm, which trains small students faster than tfjs-node. */
  backend?: 'auto' | 'tfjs-node' | 'webgpu' | 'wasm' | 'cpu'
  /** Side of the square images, pixels. */
  size: number
  effect: EffectSpec
  /** The only line that changes when the teacher does. The run disposes the adapter. */
  teacher: () => TeacherAdapter | Promise<TeacherAdapter>
  student: (options: { seed: number; size: number; effect: EffectSpec }) => Student | Promise<Student>
  pairs: PairOptions
  training: TrainingOptions
  /**
   * Further figures of the trained student on the held-out pairs, for `metrics.json` and the report. Called twice, since
   * doing nothing is measured as well; networks that the metrics look through stay the caller's. A metric is told apart by
   * its name.
   */
  metrics?: () => readonly Metric[] | Promise<readonly Metric[]>
  judge?: JudgeOptions
  exporter?: Exporter
}

/** A config with every default in its place. */
export interface ResolvedConfig extends Omit<DistillConfig, 'pairs' | 'training' | 'judge'> {
  name: string
  seed: number
  backend: NonNullable<DistillConfig['backend']>
  judge?: Required<JudgeOptions> | undefined
  pairs: Required<Omit<PairOptions, 'shards'>> & { shards: string | false }
  training: Required<Omit<TrainingOptions, 'loss' | 'augmentation'>> & {
    loss: WeightedLoss
    augmentation: Required<AugmentationOptions> | false
  }
}
