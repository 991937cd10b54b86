import { FxError, listed } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import type { Loss, LossOptions } from './loss.js'

/**
 * Something with parameters of its own that are learned beside the student. A trainer takes the gradients of its loss for
 * `variables()` as well, steps them with an optimiser, and keeps them with `saveVariables` and `loadVariables`; it need
 * not know what they are. The parameters of an `Adversary` alone have a loss of their own.
 */
export interface Trainable {
  /**
   * The parameters by name. Names and shapes are the same in every run, so they can be kept in a checkpoint. The
   * variables are made on first use, so that a loss can be composed before a backend is ready, and belong to this object.
   */
  variables(): Readonly<Record<string, tf.Variable>>
  /** Frees the variables. The next use starts from the beginning. */
  dispose(): void
}

/** A loss with parameters that minimise it together with the student's. */
export type TrainableLoss = Loss & Trainable

/** What an adversary makes of the answers of one step. */
export interface AdversaryValue {
  /** To be minimised in `variables()`. */
  total: tf.Scalar
  /** What tells whether it is ahead, by name: its mean scores of targets and answers, say. */
  scores: Record<string, tf.Scalar>
}

/** Something whose parameters are learned against the student, as a discriminator's are. */
export interface Adversary extends Trainable {
  /**
   * The loss of its own on the answers of a step, which are given without their history: no gradient reaches the student.
   * The caller owns every scalar in the result.
   *
   * @throws FxError `shape-mismatch` as a loss.
   */
  judge(prediction: tf.Tensor4D, target: tf.Tensor4D, options?: LossOptions & { step?: number }): AdversaryValue
}

/** A loss with parameters that work against it. */
export type AdversarialLoss = Loss & Adversary

/** Whether something trainable has a loss of its own. */
export const isAdversary = (value: unknown): value is Adversary =>
  isTrainable(value) && typeof (value as Partial<Adversary>).judge === 'function'

/** Whether a loss, or anything else, has parameters of its own. */
export const isTrainable = (value: unknown): value is Trainable =>
  ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
  typeof (value as Partial<Trainable>).variables === 'function'

/** Copies the values of all variables out, by name. */
export const saveVariables = async (trainable: Trainable): Promise<Record<string, Float32Array>> => {
  const entries = Object.entries(trainable.variables()).map(
    async ([name, variable]) => [name, ((await variable.data()) as Float32Array).slice()] as const,
  )
  return Object.fromEntries(await Promise.all(entries))
}

/**
 * Copies values of `saveVariables` back in, all or none.
 *
 * @throws FxError `resume-mismatch` unless the values have the variables' names and lengths.
 */
export const loadVariables = (trainable: Trainable, values: Readonly<Record<string, Float32Array>>): void => {
  const variables = trainable.variables()
  const names = Object.keys(variables)
  const same = names.length === Object.keys(values).length && names.every(name => values[name])
  if (!same) {
    throw new FxError(
      'resume-mismatch',
      `The loss has variables ${listed(names)}; the values are of ${listed(Object.keys(values))}`,
      { details: { variables: names, values: Object.keys(values) } },
    )
  }
  for (const [name, variable] of Object.entries(variables)) {
    if (values[name]!.length !== variable.size) {
      throw new FxError(
        'resume-mismatch',
        `The loss's variable '${name}' is [${variable.shape.join(', ')}], ${variable.size} values; got ${values[name]!.length}`,
        { details: { name, shape: variable.shape, length: values[name]!.length } },
      )
    }
  }
  for (const [name, variable] of Object.entries(variables)) {
    // A copy, since the cpu backend keeps the array it is given.
    tf.tidy(() => variable.assign(tf.tensor(values[name]!.slice(), variable.shape, 'float32')))
  }
}
