import { FxError, listed } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import type { Loss, LossOptions } from './loss.js'
import { isTrainable, type Trainable } from './trainable.js'

/** A factor on a term's weight by training step, counted from 0. */
export type Schedule = (step: number) => number

export interface LossTerm {
  /** Name in logs and reports, unique within the sum. */
  name: string
  loss: Loss
  /** Default 1. */
  weight?: number
  /** Default: always 1. */
  schedule?: Schedule
}

export interface WeightedLossValue {
  /** The sum to minimise. */
  total: tf.Scalar
  /** Each term before its weight, by name; a term whose weight is 0 at this step is not computed and is absent. */
  terms: Record<string, tf.Scalar>
}

/**
 * A weighted sum of losses that keeps its terms apart for the log. Its variables are those of its terms, named
 * `term/variable`; a sum of losses without parameters has none.
 */
export interface WeightedLoss extends Trainable {
  /** Names, in order. */
  readonly names: readonly string[]
  /** The sum at a training step. The caller owns every scalar in the result. */
  evaluate(prediction: tf.Tensor4D, target: tf.Tensor4D, options?: LossOptions & { step?: number }): WeightedLossValue
}

/**
 * Sums losses: `weighted([{ name: 'l1', loss: l1() }, { name: 'ssim', loss: ssim(), weight: 0.5 }])`.
 *
 * @throws FxError `invalid-argument` for no term, a repeated or empty name, or a weight that is negative or not finite.
 */
export const weighted = (terms: readonly LossTerm[]): WeightedLoss => {
  const names = terms.map(term => term.name)
  if (terms.length === 0) throw new FxError('invalid-argument', 'weighted: at least one loss is needed')
  for (const { name, weight = 1 } of terms) {
    if (!name || names.filter(other => other === name).length > 1) {
      throw new FxError('invalid-argument', `weighted: names must be unique and not empty, got ${listed(names)}`)
    }
    if (!Number.isFinite(weight) || weight < 0) {
      throw new FxError(
        'invalid-argument',
        `weighted: the weight of '${name}' must be finite and not negative, got ${weight}`,
      )
    }
  }
  // A loss that stands in two terms has its variables once, under the first name.
  const trainable = terms.flatMap(({ name, loss }, i) =>
    isTrainable(loss) && terms.findIndex(term => term.loss === loss) === i ? [{ name, loss }] : [],
  )
  return {
    names,
    variables: () =>
      Object.fromEntries(
        trainable.flatMap(({ name, loss }) =>
          Object.entries(loss.variables()).map(([variable, values]) => [`${name}/${variable}`, values]),
        ),
      ),
    dispose: () => {
      for (const { loss } of trainable) loss.dispose()
    },
    evaluate: (prediction, target, { step = 0, weights } = {}) =>
      tf.tidy(() => {
        let total: tf.Scalar | undefined
        const values: Record<string, tf.Scalar> = {}
        for (const { name, loss, weight = 1, schedule } of terms) {
          const factor = weight * (schedule?.(step) ?? 1)
          if (factor === 0) continue
          const value = loss(prediction, target, { weights })
          values[name] = value
          const scaled = tf.mul<tf.Scalar>(value, factor)
          total = total ? tf.add<tf.Scalar>(total, scaled) : scaled
        }
        return { total: total ?? tf.scalar(0), terms: values }
      }),
  }
}

/**
 * A schedule that rises linearly from 0 to 1 over `steps` steps, after waiting for `start` steps.
 *
 * @throws FxError `invalid-argument` unless `steps` is positive and `start` not negative.
 */
export const warmUp = (steps: number, start = 0): Schedule => {
  if (!(steps > 0) || !(start >= 0)) {
    throw new FxError(
      'invalid-argument',
      `warmUp: steps must be positive and start not negative, got ${steps} and ${start}`,
    )
  }
  return step => Math.min(1, Math.max(0, (step - start) / steps))
}
