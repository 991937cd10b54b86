import { FxError, oneOf } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { checkImages, type Loss } from './loss.js'
import { absolute, crop, neighbourSteps, weightedMean } from './ops.js'

export interface TotalVariationOptions {
  /** Exponent of each step: 1 keeps edges and flattens the rest, 2 smooths everything. Default 1. */
  power?: 1 | 2
  /**
   * `'mean'` over the steps of each direction, or their `'sum'` over an image and the mean over images, as other
   * libraries count it, which grows with the image. Default `'mean'`.
   */
  reduction?: 'mean' | 'sum'
}

/**
 * Anisotropic total variation of the prediction: `mean |dx|^power + mean |dy|^power`. The target has no say: the optimum
 * is a flat image, so this is a small term beside others. With weights, a step counts with the weight of its left or
 * upper pixel; weights with `'sum'` multiply, and are not divided by their mean. A side of one pixel has no steps.
 *
 * Source: Rudin, Osher, Fatemi, "Nonlinear total variation based noise removal algorithms", Physica D 1992.
 *
 * @throws FxError `invalid-argument` for another power or reduction.
 */
export const totalVariation = ({ power = 1, reduction = 'mean' }: TotalVariationOptions = {}): Loss => {
  if (power !== 1 && power !== 2) {
    throw new FxError('invalid-argument', `totalVariation: power must be 1 or 2, got ${power}`)
  }
  oneOf('totalVariation: reduction', reduction, ['mean', 'sum'])
  return (prediction, target, { weights } = {}) => {
    checkImages('totalVariation', prediction, target, weights)
    return tf.tidy(() => {
      const part = (axis: 1 | 2): tf.Scalar => {
        // A zero that still depends on the prediction: tfjs refuses a gradient by what plays no part.
        if (prediction.shape[axis] === 1) return tf.sum(tf.mul(prediction, 0))
        const steps = neighbourSteps(prediction, axis)
        const values = power === 1 ? absolute(steps) : tf.square(steps)
        const counts = weights && crop(weights, 0, 0, steps.shape[1], steps.shape[2])
        if (reduction === 'mean') return weightedMean(values, counts)
        return tf.div(tf.sum(counts ? tf.mul(values, counts) : values), prediction.shape[0])
      }
      return tf.add(part(1), part(2))
    })
  }
}
