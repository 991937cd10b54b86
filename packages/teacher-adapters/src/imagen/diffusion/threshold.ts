import { numberIn } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'

/** How predicted pictures are kept within the range of pixels. */
export type Threshold =
  | {
      kind: 'static'
      /** Values are cut to [-range, range]. */
      range: number
    }
  | {
      kind: 'dynamic'
      /** Share of an image's values, by size, that stay; those above are cut. */
      percentile: number
      /** The most that an image is scaled down by; `Infinity` for no bound. 1 is the same as `static`. */
      max: number
    }

/**
 * The quantile of each row of `[N, M]`, between neighbours interpolated linearly (numpy's and torch's default). `[N, 1]`,
 * the caller's.
 */
const quantile = (rows: tf.Tensor2D, share: number): tf.Tensor2D =>
  tf.tidy(() => {
    const count = rows.shape[1]
    const position = share * (count - 1)
    const below = Math.floor(position)
    // tfjs cannot sort; the largest values, falling, are a sort of what lies above the quantile.
    const { values } = tf.topk(rows, count - below)
    const last = values.shape[1]! - 1
    const lower = tf.slice2d(values as tf.Tensor2D, [0, last], [-1, 1])
    const upper = tf.slice2d(values as tf.Tensor2D, [0, Math.max(0, last - 1)], [-1, 1])
    return tf.add(lower, tf.mul(tf.sub(upper, lower), position - below))
  })

/**
 * A predicted picture within the range of pixels. Dynamic thresholding divides each image by its own quantile when that
 * lies above 1, so that strong guidance does not saturate it. The caller owns the result.
 *
 * Source: Saharia et al., "Photorealistic text-to-image diffusion models with deep language understanding", NeurIPS 2022,
 * section 2.3.
 */
export const thresholded = (x0: tf.Tensor4D, threshold: Threshold | false): tf.Tensor4D => {
  if (!threshold) return tf.clone(x0)
  if (threshold.kind === 'static') {
    const range = numberIn('imagen: threshold range', threshold.range, Number.MIN_VALUE, Number.MAX_VALUE)
    return tf.clipByValue(x0, -range, range)
  }
  const percentile = numberIn('imagen: threshold percentile', threshold.percentile, 0, 1)
  const max = numberIn('imagen: threshold max', threshold.max, 1, Number.POSITIVE_INFINITY)
  if (max === 1) return tf.clipByValue(x0, -1, 1)
  return tf.tidy(() => {
    const rows = tf.reshape<tf.Rank.R2>(tf.abs(x0), [x0.shape[0], -1])
    const atLeastOne = tf.maximum(quantile(rows, percentile), 1)
    const scale = tf.reshape<tf.Rank.R4>(Number.isFinite(max) ? tf.minimum(atLeastOne, max) : atLeastOne, [-1, 1, 1, 1])
    return tf.div(tf.minimum(tf.maximum(x0, tf.neg(scale)), scale), scale)
  })
}
