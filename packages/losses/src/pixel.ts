import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { checkImages, type Loss } from './loss.js'
import { absolute, weightedMean } from './ops.js'

/** Mean absolute error, `mean |p - t|`. Its gradient is zero where both are equal. */
export const l1 =
  (): Loss =>
  (prediction, target, { weights } = {}) => {
    checkImages('l1', prediction, target, weights)
    return tf.tidy(() => weightedMean(absolute(tf.sub(prediction, target)), weights))
  }

/**
 * Mean squared error, `mean (p - t)^2`: the loss of the highest PSNR. It prefers the average of all plausible answers,
 * which looks blurred.
 */
export const l2 =
  (): Loss =>
  (prediction, target, { weights } = {}) => {
    checkImages('l2', prediction, target, weights)
    return tf.tidy(() => weightedMean(tf.square(tf.sub<tf.Tensor4D>(prediction, target)), weights))
  }

export interface CharbonnierOptions {
  /** Where the loss turns from quadratic to linear, in image units. Default 1e-3. */
  epsilon?: number
}

/**
 * Charbonnier loss, `mean sqrt((p - t)^2 + epsilon^2)`: a smooth L1. Its minimum is `epsilon`, not zero.
 *
 * Source: Charbonnier et al., "Two deterministic half-quadratic regularization algorithms for computed imaging", ICIP
 * 1994; with this epsilon as in Lai et al., LapSRN, CVPR 2017, section 3.3.
 *
 * @throws FxError `invalid-argument` unless epsilon is positive.
 */
export const charbonnier = ({ epsilon = 1e-3 }: CharbonnierOptions = {}): Loss => {
  if (!(epsilon > 0)) {
    throw new FxError('invalid-argument', `charbonnier: epsilon must be positive, got ${epsilon}`, {
      details: { epsilon },
    })
  }
  return (prediction, target, { weights } = {}) => {
    checkImages('charbonnier', prediction, target, weights)
    return tf.tidy(() => {
      const squared = tf.square(tf.sub<tf.Tensor4D>(prediction, target))
      return weightedMean(tf.sqrt(tf.add<tf.Tensor4D>(squared, epsilon * epsilon)), weights)
    })
  }
}
