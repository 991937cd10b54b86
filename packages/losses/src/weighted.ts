import { FxError, listed } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { balancedBranches } from './balance.js'
import type { Loss, LossOptions } from './loss.js'
import { type Adversary, type AdversaryValue, isAdversary, isTrainable, type Trainable } from './trainable.js'

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
  /**
   * Scales the gradient that reaches the prediction to the norm of that of all terms without `balance`, times `weight`, so
   * that the term counts as much as they do however large its values are; adversarial terms want that (Esser et al., CVPR
   * 2021). Default false.
   */
  balance?: boolean
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
  /**
   * The adversaries among the terms as one, with `term/score` for names; their variables are among `variables()`. Absent
   * where there is none.
   */
  readonly adversary?: WeightedAdversary
}

/** Several adversaries, of which those judge whose term has a weight at the step. */
export interface WeightedAdversary extends Adversary {
  /** Whether there is one that judges at a step. */
  judgesAt(step: number): boolean
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
  const balanced = terms.filter(({ balance }) => balance)
  if (balanced.length === terms.length) {
    throw new FxError('invalid-argument', `weighted: ${listed(names)} cannot all be balanced; one must be without`)
  }
  const factorOf = ({ weight = 1, schedule }: LossTerm, step: number): number => weight * (schedule?.(step) ?? 1)
  // A loss that stands in two terms has its variables once, under the first name.
  const parts = terms.flatMap(({ name, loss }, i): (readonly [string, Trainable])[] =>
    isTrainable(loss) && terms.findIndex(term => term.loss === loss) === i ? [[name, loss]] : [],
  )
  const adversaries = parts.flatMap(([name, part]) => (isAdversary(part) ? [[name, part] as const] : []))
  const judging = (step: number) =>
    adversaries.filter(([, part]) => terms.some(term => term.loss === (part as unknown) && factorOf(term, step) !== 0))
  return {
    names,
    ...together(parts),
    ...(adversaries.length > 0 && {
      adversary: {
        ...together(adversaries),
        judgesAt: step => judging(step).length > 0,
        judge: (prediction, target, options = {}) =>
          tf.tidy(() => ({
            ...sumOf(judging(options.step ?? 0).map(([name, part]) => [name, part.judge(prediction, target, options)])),
          })),
      },
    }),
    evaluate: (prediction, target, { step = 0, ...options } = {}) =>
      tf.tidy(() => {
        let total: tf.Scalar | undefined
        const values: Record<string, tf.Scalar> = {}
        const active = terms.flatMap(term => {
          const factor = factorOf(term, step)
          return factor === 0 ? [] : [{ ...term, factor }]
        })
        const factors = active.flatMap(({ balance, factor }) => (balance ? [factor] : []))
        // Nothing to compare with, and nothing is balanced.
        const { plain, balanced } =
          factors.length > 0 && factors.length < active.length
            ? balancedBranches(prediction, factors)
            : { plain: prediction, balanced: factors.map(() => prediction) }
        for (const { name, loss, factor, balance } of active) {
          const value = loss(balance ? balanced.shift()! : plain, target, options)
          values[name] = value
          const scaled = tf.mul<tf.Scalar>(value, factor)
          total = total ? tf.add<tf.Scalar>(total, scaled) : scaled
        }
        return { total: total ?? tf.scalar(0), terms: values }
      }),
  }
}

/** Several trainable parts as one. */
const together = (parts: readonly (readonly [string, Trainable])[]): Trainable => ({
  variables: () =>
    Object.fromEntries(
      parts.flatMap(([name, part]) =>
        Object.entries(part.variables()).map(([variable, values]) => [`${name}/${variable}`, values]),
      ),
    ),
  dispose: () => {
    for (const [, part] of parts) part.dispose()
  },
})

/** The sum of what several adversaries minimise, each in variables of its own. */
const sumOf = (values: readonly (readonly [string, AdversaryValue])[]): AdversaryValue => ({
  total: values.length > 0 ? tf.addN(values.map(([, { total }]) => total)) : tf.scalar(0),
  scores: Object.fromEntries(
    values.flatMap(([name, { scores }]) => Object.entries(scores).map(([score, value]) => [`${name}/${score}`, value])),
  ),
})

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
