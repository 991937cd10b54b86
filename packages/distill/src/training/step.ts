import { FxError } from '@fx/core'
import type { WeightedLoss } from '@fx/losses'
import * as tf from '@tensorflow/tfjs-core'
import type { LayersModel } from '@tensorflow/tfjs-layers'
import type { ResolvedConfig } from '../config/types.js'
import type { Batch } from '../data/batches.js'
import { batchTensors, forward } from './forward.js'
import type { Learner } from './learner.js'
import { learningRateAt } from './schedule.js'

/** Figures of one training step. */
export interface StepFigures {
  loss: number
  /** Each term of the loss before its weight. */
  terms: Record<string, number>
  /** Where the loss has an adversary that judged: its own `loss`, and its scores by name. */
  scores: Record<string, number>
  /** Global norm of the student's gradients before clipping; null where the backend does not tell (WebGPU). */
  gradientNorm: number | null
  learningRate: number
}

export interface StepOptions {
  config: Pick<ResolvedConfig, 'size' | 'training'>
  model: LayersModel
  batch: Batch
  /** 0-based. */
  step: number
  student: Learner
  /** Parameters of the loss that learn with the student, and those that learn against it. */
  partners: Learner
  adversary: Learner
}

/** Gradients of one side, with what is told of them. */
interface Side {
  value: tf.Scalar
  grads: tf.NamedTensorMap
  figures: Record<string, tf.Scalar>
}

const scalar = async (value: tf.Scalar): Promise<number> => (await value.data())[0]!

const numbers = async (values: Record<string, tf.Scalar>): Promise<Record<string, number>> => {
  const result: Record<string, number> = {}
  for (const [name, value] of Object.entries(values)) result[name] = await scalar(value)
  return result
}

/** Gradients of a total in some variables; the scalars beside it survive. */
const gradientsOf = (
  variables: readonly tf.Variable[],
  work: () => { total: tf.Scalar; figures: Record<string, tf.Scalar> },
): Side => {
  const figures: Record<string, tf.Scalar> = {}
  const gradients = tf.variableGrads(() => {
    const { total, figures: each } = work()
    for (const [name, value] of Object.entries(each)) figures[name] = tf.keep(value)
    return total
  }, [...variables])
  return { ...gradients, figures }
}

/**
 * One step: forward in training mode, loss, gradients, update; then the same for what learns against the student, which
 * judges the answers that the student gave before its update. The weights are left alone when loss or gradients are not
 * finite.
 *
 * @throws FxError `not-finite`, naming the step.
 */
export const trainStep = async (options: StepOptions): Promise<StepFigures> => {
  const { config, model, batch, step, student, partners, adversary } = options
  const { loss, clipNorm } = config.training
  const learningRate = learningRateAt(step, config.training)
  /** Other rates rise and fall with the student's. */
  const scaled = (rate: number): number => (rate * learningRate) / config.training.learningRate
  const opponent: WeightedLoss['adversary'] = loss.adversary?.judgesAt(step) ? loss.adversary : undefined
  const kept: tf.Tensor[] = []
  const sides: Side[] = []
  try {
    tidyTape(() => {
      const { inputs, target, weights } = batchTensors(batch, config.size)
      const about = { weights, input: inputs[0] as tf.Tensor4D, step }
      let answers!: tf.Tensor4D
      const own = gradientsOf([...student.variables, ...partners.variables], () => {
        answers = forward(model, inputs, true)
        if (opponent) kept.push(tf.keep(answers))
        const { total, terms } = loss.evaluate(answers, target, about)
        return { total, figures: terms }
      })
      sides.push(own)
      if (opponent) {
        sides.push(
          gradientsOf(adversary.variables, () => {
            const { total, scores } = opponent.judge(answers, target, about)
            return { total, figures: scores }
          }),
        )
      }
      return sides.flatMap(({ value, grads }) => [value, ...Object.values(grads)])
    })
    const [own, against] = sides as [Side, Side | undefined]
    const total = await scalar(own.value)
    refuseNotFinite(total, 'loss', step, learningRate)
    const opposing = against && (await scalar(against.value))
    if (opposing !== undefined) refuseNotFinite(opposing, "loss's adversary", step, learningRate)
    const norm = student.update(own.grads, { learningRate, ...(clipNorm === false ? {} : { clipNorm }) })
    const gradientNorm = tf.getBackend() === 'webgpu' ? null : norm
    if (gradientNorm !== null) refuseNotFinite(gradientNorm, 'gradient norm', step, learningRate)
    if (partners.variables.length > 0) {
      partners.update(own.grads, { learningRate: scaled(config.training.lossLearningRate) })
    }
    if (against) adversary.update(against.grads, { learningRate: scaled(config.training.adversaryLearningRate) })
    return {
      loss: total,
      terms: await numbers(own.figures),
      scores: against ? { loss: opposing!, ...(await numbers(against.figures)) } : {},
      gradientNorm,
      learningRate,
    }
  } finally {
    tf.dispose([kept, ...sides.map(({ value, grads, figures }) => ({ value, grads, figures }))])
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
