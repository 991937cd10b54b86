import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { checkImages } from '../loss.js'
import { absolute, weightedMean } from '../ops.js'
import { type WarpOptions, warp } from './warp.js'

export interface TemporalConsistencyOptions extends WarpOptions {
  /** How fast trust falls where the flow does not explain the input, at least 0. Default 50. */
  sharpness?: number
}

/** Two frames of a video and what a student made of them, each `[N, H, W, C]` in [0, 1]. */
export interface FramePair {
  output: tf.Tensor4D
  previousOutput: tf.Tensor4D
  input: tf.Tensor4D
  previousInput: tf.Tensor4D
  /** From a pixel of this frame to where it was in the previous one, `[N, H, W, 2]`, x then y, in pixels. */
  flow: tf.Tensor4D
  /** How much each pixel counts, `[N, H, W, 1]`. */
  weights?: tf.Tensor4D
}

/**
 * Short-term temporal loss: what the flow carries over must stay the same, `mean M |O_t - warp(O_t-1)|` with
 * `M = exp(-sharpness sum_c (I_t - warp(I_t-1))^2)`, which leaves out what was hidden. Gradients flow to both outputs, not
 * to the inputs or the flow. The caller owns the scalar.
 *
 * Source: Lai et al., "Learning blind video temporal consistency", ECCV 2018, the short-term loss, its squared error summed
 * over channels.
 *
 * @throws FxError `invalid-argument` for a sharpness that is negative or not finite; the loss `shape-mismatch` for frames,
 * flow or weights that do not belong together.
 */
export const temporalConsistency = ({
  sharpness = 50,
  padding = 'zeros',
}: TemporalConsistencyOptions = {}): ((frames: FramePair) => tf.Scalar) => {
  if (!(sharpness >= 0) || !Number.isFinite(sharpness)) {
    throw new FxError(
      'invalid-argument',
      `temporalConsistency: sharpness must be a finite number of at least 0, got ${sharpness}`,
    )
  }
  return ({ output, previousOutput, input, previousInput, flow, weights }) => {
    checkImages('temporalConsistency: outputs', output, previousOutput, weights)
    checkImages('temporalConsistency: inputs', input, previousInput, weights)
    return tf.tidy(() => {
      const unexplained = tf.sub(input, warp(previousInput, flow, { padding }))
      const trust = tf.exp(tf.mul(tf.sum(tf.square(unexplained), 3, true), -sharpness))
      const change = absolute(tf.sub(output, warp(previousOutput, flow, { padding })))
      return weightedMean(tf.mul(change, trust), weights)
    })
  }
}
