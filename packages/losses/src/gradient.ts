import * as tf from '@tensorflow/tfjs-core'
import { checkImages, type Loss } from './loss.js'
import { absolute, crop, neighbourSteps, weightedMean } from './ops.js'

/**
 * Gradient difference loss with exponent 1: how much the steps between neighbouring pixels differ,
 * `mean |dx p - dx t| + mean |dy p - dy t|`. It keeps edges sharp, and is blind to a constant offset: combine it with
 * a pixel loss. With weights, a step counts with the weight of its left or upper pixel.
 *
 * Source: Mathieu, Couprie, LeCun, "Deep multi-scale video prediction beyond mean square error", ICLR 2016, section
 * 3.2, with signed differences, so that an edge of the wrong direction is an error too.
 *
 * @throws FxError `shape-mismatch` also for images under 2 pixels on a side.
 */
export const gradientLoss =
  (): Loss =>
  (prediction, target, { weights } = {}) => {
    checkImages('gradientLoss', prediction, target, weights, 2)
    return tf.tidy(() => {
      const error = tf.sub<tf.Tensor4D>(prediction, target)
      const steps = (axis: 1 | 2): tf.Scalar => {
        const differences = neighbourSteps(error, axis)
        const [, height, width] = differences.shape
        return weightedMean(absolute(differences), weights && crop(weights, 0, 0, height, width))
      }
      return tf.add(steps(2), steps(1))
    })
  }

/**
 * Edge loss: L1 between the Sobel derivatives of prediction and target, divided by 8 so that a ramp of one unit a pixel
 * has a derivative of 1. Smoother than `gradientLoss`, so less ruled by noise, and as blind to a constant offset: combine
 * it with a pixel loss. With weights, a window counts with the weight of its centre pixel; no padding.
 *
 * Source: Sobel and Feldman's 3x3 operator, as in Duda and Hart, "Pattern classification and scene analysis", 1973, page
 * 271.
 *
 * @throws FxError `shape-mismatch` also for images under 3 pixels on a side.
 */
export const sobelLoss =
  (): Loss =>
  (prediction, target, { weights } = {}) => {
    checkImages('sobelLoss', prediction, target, weights, 3)
    return tf.tidy(() => {
      const error = tf.sub<tf.Tensor4D>(prediction, target)
      const height = error.shape[1] - 2
      const width = error.shape[2] - 2
      // The window's eight outer pixels; the operator is the difference of opposite sides, the middle counted twice.
      const at = (y: number, x: number): tf.Tensor4D => crop(error, y, x, height, width)
      const [a, b, c, d, e, f, g, h] = [at(0, 0), at(0, 1), at(0, 2), at(1, 0), at(1, 2), at(2, 0), at(2, 1), at(2, 2)]
      const difference = (plus: tf.Tensor4D[], minus: tf.Tensor4D[]): tf.Tensor4D => {
        const side = ([near, middle, far]: tf.Tensor4D[]) => tf.add(tf.add(near!, far!), tf.mul(middle!, 2))
        return tf.div(tf.sub(side(plus), side(minus)), 8)
      }
      const centres = weights && crop(weights, 1, 1, height, width)
      const horizontal = weightedMean(absolute(difference([c, e, h], [a, d, f])), centres)
      const vertical = weightedMean(absolute(difference([f, g, h], [a, b, c])), centres)
      return tf.add(horizontal, vertical)
    })
  }
