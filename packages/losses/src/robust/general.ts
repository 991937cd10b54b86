import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { checkImages, type Loss } from '../loss.js'
import { weightedMean } from '../ops.js'
import { robustPenalty } from './penalty.js'

export interface GeneralRobustOptions {
  /** How much outliers count: 2 as in L2, 1 as in Charbonnier, 0 Cauchy, -2 Geman-McClure, -Infinity Welsch. Default 1. */
  alpha?: number
  /** The error, in image units, where it turns from quadratic to robust. Default 0.1. */
  scale?: number
}

/**
 * Barron's general robust loss, `mean rho(p - t, alpha, scale)`: one family from L2 to losses that disregard outliers. 0
 * at equal images.
 *
 * Source: Barron, "A general and adaptive robust loss function", CVPR 2019, equation 8.
 *
 * @throws FxError `invalid-argument` for an alpha that is NaN or a scale that is not positive.
 */
export const generalRobust = ({ alpha = 1, scale = 0.1 }: GeneralRobustOptions = {}): Loss => {
  if (typeof alpha !== 'number' || Number.isNaN(alpha)) {
    throw new FxError(
      'invalid-argument',
      `generalRobust: alpha must be a number, -Infinity and Infinity included, got ${alpha}`,
    )
  }
  if (!(scale > 0) || !Number.isFinite(scale)) {
    throw new FxError('invalid-argument', `generalRobust: scale must be positive, got ${scale}`)
  }
  return (prediction, target, { weights } = {}) => {
    checkImages('generalRobust', prediction, target, weights)
    return tf.tidy(() => weightedMean(robustPenalty(tf.sub(prediction, target), alpha, scale) as tf.Tensor4D, weights))
  }
}
