import { adam } from '@fx/backend/training'
import { FxError } from '@fx/core'
import type { ResolvedConfig, Student } from '../config/types.js'
import { type Batch, batchSource } from '../data/batches.js'
import type { PairSet } from '../data/pairs.js'
import type { Fingerprint } from '../run/fingerprint.js'
import { updateAverage } from './average.js'
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
import { learningRateAt } from './schedule.js'
import { type StepFigures, trainStep } from './step.js'
import { readWeights, trainableVariables, type WeightValues, withWeights, writeWeights } from './weights.js'

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
  /** Seconds the run has taken up to now. */
  seconds: () => number
  signal?: AbortSignal
  onStep?: (step: number, figures: StepFigures) => void
  onPoint?: (point: CurvePoint) => Promise<void>
  onEvaluation?: (point: EvaluationPoint) => Promise<void>
}

/**
 * Trains from a checkpoint or from the start, and leaves the weights to ship in the student: averaged, with their
 * batch-norm statistics measured again. Everything random derives from the seed and the step, so a run that was broken
 * off and resumed ends in the weights of an unbroken one.
 *
 * @throws FxError `aborted` after writing a checkpoint, when the signal fires; `not-finite`; `write-failed`.
 */
export const train = async (options: TrainOptions): Promise<History> => {
  const { config, student, pairs, seeds, from, signal } = options
  const { model } = student
  const { steps, ema, clipNorm, loss, checkpointEvery, evaluateEvery, logEvery } = config.training
  const variables = trainableVariables(model)
  const batchAt = batchSource({
    ...config.training,
    pairs,
    seeds: seeds.train,
    seed: config.seed,
    effect: config.effect,
    changedThreshold: config.pairs.changedThreshold,
  })

  const state = from
    ? from.state
    : { step: 0, history: { curve: [], evaluations: [] } as History, window: emptyWindow() }
  const { history } = state
  let { step, window } = state
  if (from) writeWeights(model, group(from.tensors, 'weights'))
  const average = ema === false ? undefined : from ? group(from.tensors, 'average') : await readWeights(model)
  const optimizer = adam()
  const optimizerState = optimizer.init(variables, from && savedOptimizer(from, step))

  const checkpoint = async (): Promise<void> => {
    const saved = await optimizerState.save()
    await writeCheckpoint<TrainingState>(options.path, {
      state: { fingerprint: options.fingerprint, step, seconds: options.seconds(), history, window },
      tensors: {
        ...named('weights', await readWeights(model)),
        ...(average && named('average', average)),
        ...Object.fromEntries(Object.entries(saved.slots).map(([name, values]) => [`optimizer/${name}`, values])),
      },
    })
  }

  try {
    let next = prefetch(batchAt, step)
    let written = from ? step : -1
    while (step < steps) {
      const batch = await next
      if (step + 1 < steps) next = prefetch(batchAt, step + 1)
      const learningRate = learningRateAt(step, config.training)
      const figures = await trainStep({
        model,
        variables,
        batch,
        size: config.size,
        step,
        loss,
        optimizer,
        optimizerState,
        learningRate,
        clipNorm,
      })
      if (average) await updateAverage(average, model, step, ema as number)
      step++
      addStep(window, figures)
      options.onStep?.(step, figures)
      if (step % logEvery === 0 || step === steps) {
        const point = closeWindow(window, step, learningRate)
        window = emptyWindow()
        history.curve.push(point)
        await options.onPoint?.(point)
      }
      if (evaluateEvery > 0 && step % evaluateEvery === 0 && step < steps) {
        const { samples, ...figures } = await evaluateAverage(options, average)
        const point = { step, ...figures }
        history.evaluations.push(point)
        await options.onEvaluation?.(point)
      }
      if (step % checkpointEvery === 0 || step === steps) {
        await checkpoint()
        written = step
      }
      // Timers and signals get their turn: a step on a synchronous backend never waits.
      await new Promise(setImmediate)
      if (signal?.aborted && step < steps) {
        if (written !== step) await checkpoint()
        throw new FxError('aborted', `Stopped after step ${step} of ${steps}; a checkpoint is written`, {
          details: { step, steps },
        })
      }
    }
  } finally {
    optimizerState.dispose()
  }
  if (average) writeWeights(model, average)
  await recalibrateBatchNorm(model, config.size, calibrationBatches(options))
  return history
}

const named = (prefix: string, values: WeightValues): Record<string, Float32Array> =>
  Object.fromEntries(values.map((value, index) => [`${prefix}/${String(index).padStart(4, '0')}`, value]))

const group = (tensors: Record<string, Float32Array>, prefix: string): WeightValues =>
  Object.keys(tensors)
    .filter(name => name.startsWith(`${prefix}/`))
    .sort()
    .map(name => tensors[name]!)

const savedOptimizer = (
  { tensors }: Checkpoint<TrainingState>,
  step: number,
): { step: number; slots: Record<string, Float32Array> } => {
  const prefix = 'optimizer/'
  const slots = Object.entries(tensors).filter(([name]) => name.startsWith(prefix))
  return { step, slots: Object.fromEntries(slots.map(([name, values]) => [name.slice(prefix.length), values])) }
}

/** Starts reading a batch; a failure is thrown where the batch is awaited, not before. */
const prefetch = (batchAt: (step: number) => Promise<Batch>, step: number): Promise<Batch> => {
  const batch = batchAt(step)
  batch.catch(() => {})
  return batch
}

const evaluateAverage = (
  { config, student, pairs, seeds }: TrainOptions,
  average?: WeightValues,
): Promise<Evaluation> => {
  const { model } = student
  const work = (): Promise<Evaluation> =>
    evaluate({
      model,
      pairs,
      seeds: seeds.heldOut,
      effect: config.effect,
      batchSize: config.training.batchSize,
      changedThreshold: config.pairs.changedThreshold,
    })
  return average ? withWeights(model, average, work) : work()
}

/** Training pairs as evaluation sees them, without augmentation. */
async function* calibrationBatches({ config, pairs, seeds }: TrainOptions): AsyncGenerator<Batch> {
  const batchAt = batchSource({
    ...config.training,
    pairs,
    seeds: seeds.train,
    seed: config.seed,
    effect: config.effect,
    changedThreshold: config.pairs.changedThreshold,
    augmentation: false,
  })
  for (let step = 0; step < config.training.batchNormBatches; step++) yield batchAt(step)
}
