import type { Optimizer, OptimizerState } from '@fx/backend/training'
import { FxError } from '@fx/core'
import type { WeightedLoss } from '@fx/losses'
import * as tf from '@tensorflow/tfjs-core'
import type { LayersModel } from '@tensorflow/tfjs-layers'
import type { Batch } from '../data/batches.js'
import { batchTensors, forward } from './forward.js'

/** Figures of one training step. */
export interface StepFigures {
  loss: number
  /** Each term of the loss before its weight. */
  terms: Record<string, number>
  /** Global norm of the gradients before clipping; null where the backend does not tell (WebGPU). */
  gradientNorm: number | null
  learningRate: number
}

export interface StepOptions {
  model: LayersModel
  variables: tf.Variable[]
  batch: Batch
  size: number
  /** 0-based. */
  step: number
  loss: WeightedLoss
  optimizer: Optimizer
  optimizerState: OptimizerState
  learningRate: number
  clipNorm: number | false
}

const scalar = async (value: tf.Scalar): Promise<number> => (await value.data())[0]!

/**
 * One step: forward in training mode, loss, gradients, update. The weights are left alone when loss or gradients are not finite.
 *
 * @throws FxError `not-finite`, naming the step.
 */
export const trainStep = async (options: StepOptions): Promise<StepFigures> => {
  const { model, variables, batch, size, step, loss, optimizer, optimizerState, learningRate, clipNorm } = options
  const terms: Record<string, tf.Scalar> = {}
  let computed: { value: tf.Scalar; grads: tf.NamedTensorMap } | undefined
  try {
    computed = tidyTape(() => {
      const { inputs, target, weights } = batchTensors(batch, size)
      return tf.variableGrads(() => {
        const { total, terms: each } = loss.evaluate(forward(model, inputs, true), target, { weights, step })
        for (const [name, term] of Object.entries(each)) terms[name] = tf.keep(term)
        return total
      }, variables)
    })
    const { value, grads } = computed
    const figures: Record<string, number> = {}
    for (const [name, term] of Object.entries(terms)) figures[name] = await scalar(term)
    const total = await scalar(value)
    refuseNotFinite(total, 'loss', step, learningRate)
    const norm = optimizer.update(
      optimizerState,
      variables.map(variable => grads[variable.name]!),
      { learningRate, ...(clipNorm === false ? {} : { clipNorm }) },
    )
    const gradientNorm = tf.getBackend() === 'webgpu' ? null : norm
    if (gradientNorm !== null) refuseNotFinite(gradientNorm, 'gradient norm', step, learningRate)
    return { loss: total, terms: figures, gradientNorm, learningRate }
  } finally {
    tf.dispose([computed ?? [], terms])
  }
}

/**
 * `tf.tidy` for work that records gradients. When that throws half-way, tfjs keeps the tape and the tensors saved on it;
 * they are freed here.
 */
const tidyTape = <T extends tf.TensorContainer>(work: () => T): T => {
  try {
    return tf.tidy(work)
  } catch (error) {
    const { state } = tf.engine()
    if (state.gradientDepth === 0) {
      for (const { saved } of state.activeTape ?? []) tf.dispose(saved ?? [])
      state.activeTape = []
    }
    throw error
  }
}

const refuseNotFinite = (value: number, what: string, step: number, learningRate: number): void => {
  if (Number.isFinite(value)) return
  throw new FxError(
    'not-finite',
    `The ${what} became ${value} at step ${step + 1} (learning rate ${learningRate.toPrecision(3)}). The last ` +
      'checkpoint is intact; try a lower training.learningRate, a longer training.warmupSteps or a smaller training.clipNorm',
    { details: { what, value: String(value), step, learningRate } },
  )
}
