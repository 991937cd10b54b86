import {
  adam,
  exponentialMovingAverage,
  fuseLayersForTraining,
  installSecondOrderGradients,
  installTrainingKernels,
  type MovingAverageState,
  type SavedOptimizerState,
} from '@fx/backend/training'
import { FxError } from '@fx/core'
import type { ResolvedConfig, Student } from '../config/types.js'
import { type Batch, batchSource } from '../data/batches.js'
import type { PairSet } from '../data/pairs.js'
import type { Fingerprint } from '../run/fingerprint.js'
import { recalibrateBatchNorm } from './batch-norm.js'
import { type Checkpoint, writeCheckpoint } from './checkpoint.js'
import { type Evaluation, evaluate } from './evaluate.js'
import {
  addStep,
  type CurvePoint,
  type CurveWindow,
  closeWindow,
  type EvaluationPoint,
  emptyWindow,
  type History,
} from './history.js'
import { learner } from './learner.js'
import { type LossParts, lossParts, prefixed, under } from './loss-parts.js'
import { type StepFigures, trainStep } from './step.js'
import { allVariables, readWeights, trainableVariables, type WeightValues, writeWeights } from './weights.js'

/**
 * Evaluations on the way look at the first of the held-out pairs only: a curve needs no more, and a LayersModel is several
 * times slower to evaluate than what ships.
 */
const PAIRS_ON_THE_WAY = 32

/** The JSON part of a checkpoint. */
export interface TrainingState {
  fingerprint: Fingerprint
  /** Steps done. */
  step: number
  /** Wall-clock seconds of the run so far, over all its sessions. */
  seconds: number
  history: History
  window: CurveWindow
}

export interface TrainOptions {
  config: ResolvedConfig
  student: Student
  pairs: PairSet
  /** Seeds to train on and to judge with. */
  seeds: { train: readonly number[]; heldOut: readonly number[] }
  fingerprint: Fingerprint
  /** Where checkpoints are written. */
  path: string
  /** The checkpoint to go on from. */
  from?: Checkpoint<TrainingState>
  /** Stop after this step, with a checkpoint from which a later run goes on. Default: all of the config's steps. */
  until?: number
  /** Seconds the run has taken up to now. */
  seconds: () => number
  signal?: AbortSignal
  onStep?: (step: number, figures: StepFigures) => void
  onPoint?: (point: CurvePoint) => Promise<void>
  onEvaluation?: (point: EvaluationPoint) => Promise<void>
}

/**
 * Trains from a checkpoint or from the start, and leaves the weights to ship, the averaged ones, in the student.
 * Everything random derives from the seed and the step, so a run that was broken off and resumed ends in the weights of
 * an unbroken one.
 *
 * @throws FxError `aborted` after writing a checkpoint, when the signal fires; `not-finite`; `write-failed`.
 */
export const train = async (options: TrainOptions): Promise<History> => {
  // For the training alone: what is evaluated, exported and measured afterwards runs on tfjs as everybody has it.
  const uninstall = [await installTrainingKernels()]
  // Adversaries may be held back by a penalty on their gradients.
  if (options.config.training.loss.adversary) uninstall.push(await installSecondOrderGradients())
  try {
    return await trainWeights(options)
  } finally {
    for (const undo of uninstall.reverse()) undo()
  }
}

const trainWeights = async (options: TrainOptions): Promise<History> => {
  const { config, student, from } = options
  const { model } = student
  const { ema, loss } = config.training
  if (from) writeWeights(model, weightsOf(from.tensors))
  const own = learner(adam(), trainableVariables(model), from && savedState(from, 'adam'))
  let parts: LossParts | undefined
  const moving = ema === false ? undefined : exponentialMovingAverage(ema)
  let average: MovingAverageState | undefined
  const unfuse = fuseLayersForTraining(model)
  try {
    parts = lossParts(loss, from?.tensors)
    const { partners, adversary, save } = parts
    average = moving?.init(allVariables(model), from && savedState(from, 'average'))
    const history = await loop(options, {
      average,
      save: async (): Promise<Record<string, Float32Array>> => ({
        ...named('weights', await readWeights(model)),
        ...prefixed('adam', (await own.save()).slots),
        ...(average && prefixed('average', (await average.save()).slots)),
        ...(await save()),
      }),
      step: async (batch, step) => {
        const figures = await trainStep({ config, model, batch, step, student: own, partners, adversary })
        if (moving && average) moving.update(average)
        return figures
      },
    })
    average?.swap()
    if (config.training.batchNormBatches > 0) {
      await recalibrateBatchNorm(model, config.size, calibrationBatches(options))
    }
    return history
  } finally {
    unfuse()
    own.dispose()
    parts?.dispose()
    average?.dispose()
  }
}

interface Work {
  average?: MovingAverageState
  /** One step and its update of the average. */
  step: (batch: Batch, step: number) => Promise<StepFigures>
  /** The tensors of a checkpoint. */
  save: () => Promise<Record<string, Float32Array>>
}

const loop = async (options: TrainOptions, work: Work): Promise<History> => {
  const { config, from, signal, fingerprint } = options
  const { steps, checkpointEvery, evaluateEvery, logEvery } = config.training
  const { until = steps } = options
  const history: History = from?.state.history ?? { curve: [], evaluations: [] }
  let { step, window } = from?.state ?? { step: 0, window: emptyWindow() }
  let written = step

  const checkpoint = async (): Promise<void> => {
    const state = { fingerprint, step, seconds: options.seconds(), history, window }
    await writeCheckpoint<TrainingState>(options.path, { state, tensors: await work.save() })
    written = step
  }

  const batchAt = batches(options)
  let next = prefetch(batchAt, step)
  while (step < until) {
    const batch = await next
    next = prefetch(batchAt, step + 1)
    const figures = await work.step(batch, step)
    step++
    addStep(window, figures)
    options.onStep?.(step, figures)
    if (step % logEvery === 0 || step === steps) {
      const point = closeWindow(window, step, figures.learningRate)
      window = emptyWindow()
      history.curve.push(point)
      await options.onPoint?.(point)
    }
    if (evaluateEvery > 0 && step % evaluateEvery === 0 && step < steps) {
      const { samples, ...pooled } = await evaluateAverage(options, work.average)
      const point = { step, ...pooled }
      history.evaluations.push(point)
      await options.onEvaluation?.(point)
    }
    if (step % checkpointEvery === 0 || step === until) await checkpoint()
    // Timers and signals get their turn: a step on a synchronous backend never waits.
    await new Promise(setImmediate)
    if (signal?.aborted && step < until) {
      if (written !== step) await checkpoint()
      throw new FxError('aborted', `Stopped after step ${step} of ${steps}; a checkpoint is written`, {
        details: { step, steps },
      })
    }
  }
  return history
}

const named = (prefix: string, values: WeightValues): Record<string, Float32Array> =>
  Object.fromEntries(values.map((value, index) => [`${prefix}/${index}`, value]))

const weightsOf = (tensors: Record<string, Float32Array>): WeightValues => {
  const values: WeightValues = []
  for (let value = tensors['weights/0']; value; value = tensors[`weights/${values.length}`]) values.push(value)
  return values
}

/** Optimiser and average do one update a step, so the run's step is theirs. */
const savedState = ({ state, tensors }: Checkpoint<TrainingState>, prefix: string): SavedOptimizerState => ({
  step: state.step,
  slots: under(prefix, tensors),
})

const batches = ({ config, pairs, seeds }: TrainOptions, augmentation = config.training.augmentation) =>
  batchSource({
    ...config.training,
    pairs,
    seeds: seeds.train,
    seed: config.seed,
    effect: config.effect,
    changedThreshold: config.pairs.changedThreshold,
    augmentation,
  })

/** Starts reading a batch; a failure is thrown where the batch is awaited, not before. */
const prefetch = (batchAt: (step: number) => Promise<Batch>, step: number): Promise<Batch> => {
  const batch = batchAt(step)
  batch.catch(() => {})
  return batch
}

/** Figures of the averaged weights, which are in the model only for so long. */
const evaluateAverage = async (
  { config, student, pairs, seeds }: TrainOptions,
  average: MovingAverageState | undefined,
): Promise<Evaluation> => {
  average?.swap()
  try {
    return await evaluate({
      model: student.model,
      pairs,
      seeds: seeds.heldOut.slice(0, PAIRS_ON_THE_WAY),
      effect: config.effect,
      batchSize: config.training.batchSize,
      changedThreshold: config.pairs.changedThreshold,
    })
  } finally {
    average?.swap()
  }
}

/** Training pairs as evaluation sees them, without augmentation. */
async function* calibrationBatches(options: TrainOptions): AsyncGenerator<Batch> {
  const batchAt = batches(options, false)
  for (let step = 0; step < options.config.training.batchNormBatches; step++) yield batchAt(step)
}
