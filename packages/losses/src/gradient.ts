import * as tf from '@tensorflow/tfjs-core'
import { checkImages, type Loss } from './loss.js'
import { absolute, weightedMean } from './ops.js'

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
      const error = tf.sub(prediction, target) as tf.Tensor4D
      const [n, height, width, channels] = error.shape
      const part = (image: tf.Tensor4D, y: number, x: number, h: number, w: number, c: number): tf.Tensor4D =>
        tf.slice(image, [0, y, x, 0], [n, h, w, c])
      const steps = (dy: 0 | 1): tf.Scalar => {
        const dx = 1 - dy
        const h = height - dy
        const w = width - dx
        const difference = tf.sub(part(error, dy, dx, h, w, channels), part(error, 0, 0, h, w, channels))
        return weightedMean(absolute(difference as tf.Tensor4D), weights && part(weights, 0, 0, h, w, 1))
      }
      return tf.add(steps(0), steps(1))
    })
  }
