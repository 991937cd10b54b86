import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { checkImages } from './loss.js'

const checkAmount = (name: string, amount: number): void => {
  if (!(amount >= 0) || !Number.isFinite(amount)) {
    throw new FxError('invalid-argument', `${name} must be a finite number of at least 0, got ${amount}`)
  }
}

export interface MaskWeightOptions {
  /** How much a pixel counts where the mask is 1. Default 8. */
  inside?: number
  /** How much a pixel counts where the mask is 0. Default 1. */
  outside?: number
}

/**
 * Pixel weights for any loss from a mask `[N, H, W, 1]`: `outside` where it is 0, `inside` where it is 1, linear between.
 * Values outside [0, 1] are clipped. The caller owns the tensor.
 *
 * @throws FxError `invalid-argument` for an amount that is negative or not finite; `shape-mismatch` for another shape.
 */
export const maskWeights = (mask: tf.Tensor4D, { inside = 8, outside = 1 }: MaskWeightOptions = {}): tf.Tensor4D => {
  checkAmount('maskWeights: inside', inside)
  checkAmount('maskWeights: outside', outside)
  if (mask.rank !== 4 || mask.shape[3] !== 1) {
    throw new FxError('shape-mismatch', `maskWeights: the mask must be [N, H, W, 1], got [${mask.shape.join(', ')}]`)
  }
  return tf.tidy(() => tf.add(tf.mul(tf.clipByValue(mask, 0, 1), inside - outside), outside))
}

export interface ChangeWeightOptions {
  /** How much a pixel counts that the effect changed. Default 8. */
  changed?: number
  /** How much a pixel counts that it left alone. Default 1. */
  unchanged?: number
  /** Smallest difference in any channel that is a change, in image units. Default 4/255. */
  threshold?: number
  /** By how many pixels the changed area grows on every side. Default 0. */
  margin?: number
}

/**
 * Pixel weights that let the area count that an effect changed: it is often a few percent of the picture, and leaving
 * everything alone would be a good answer without them. `[N, H, W, 1]` from input and target `[N, H, W, C]`. No gradient
 * flows through. The caller owns the tensor.
 *
 * @throws FxError `invalid-argument` for an option out of range; `shape-mismatch` for images that differ in shape.
 */
export const changeWeights = (
  input: tf.Tensor4D,
  target: tf.Tensor4D,
  { changed = 8, unchanged = 1, threshold = 4 / 255, margin = 0 }: ChangeWeightOptions = {},
): tf.Tensor4D => {
  checkAmount('changeWeights: threshold', threshold)
  if (!Number.isInteger(margin) || margin < 0) {
    throw new FxError('invalid-argument', `changeWeights: margin must be a whole number of at least 0, got ${margin}`)
  }
  checkAmount('changeWeights: changed', changed)
  checkAmount('changeWeights: unchanged', unchanged)
  checkImages('changeWeights', input, target)
  return tf.tidy(() => {
    const largest = tf.max(tf.abs(tf.sub(input, target)), 3, true)
    const mask = tf.cast(tf.greater(largest, threshold), 'float32') as tf.Tensor4D
    const grown: tf.Tensor4D = margin > 0 ? tf.maxPool(mask, 2 * margin + 1, 1, 'same') : mask
    return maskWeights(grown, { inside: changed, outside: unchanged })
  })
}
