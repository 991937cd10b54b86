import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { warp } from '../temporal/warp.js'
import { checkedInterval, type IntervalOptions, ratioOfSums } from './bootstrap.js'
import { type Metric, type MetricBatch, streamingMetric } from './metric.js'
import { maskedSums } from './pixel.js'

/** How fast a pixel stops counting when the input changed there. */
const SHARPNESS = 50

/** `exp(-50 sum_c (now - before)^2)`, `[N, H, W, 1]`: 1 where the input stayed, next to 0 where it changed. */
const stillness = (now: tf.Tensor4D, before: tf.Tensor4D): tf.Tensor4D =>
  tf.exp(tf.mul<tf.Tensor4D>(tf.sum(tf.squaredDifference(now, before), 3, true), -SHARPNESS))

/** The mean change of the output where the input stayed, pooled over frames. */
const steadinessRows = async (
  { output, input, mask }: MetricBatch,
  before: { output: tf.Tensor4D; input: tf.Tensor4D },
) => {
  const weights = tf.tidy(() => {
    const still = stillness(input!, before.input)
    return mask ? tf.mul<tf.Tensor4D>(still, mask) : still
  })
  try {
    return await maskedSums(() => tf.mean(tf.abs(tf.sub(output, before.output)), 3, true), weights)
  } finally {
    weights.dispose()
  }
}

/**
 * Temporal flicker: how much the output changes from one frame to the next where the input does not, the mean of
 * `|O_t - O_t-1|` with weights `exp(-50 sum_c (I_t - I_t-1)^2)`, pooled over pixels and frames. 0 for a still picture of a
 * still scene; a cut counts nothing. It needs no flow: what moves is left out. Honours the mask.
 *
 * Each image of a batch is a frame, `previous` its frame before. Read it beside the flicker of the inputs (`output: input`):
 * the camera's noise is in both.
 *
 * Source: the occlusion weights and the short-term error of Lai et al., "Learning blind video temporal consistency", ECCV
 * 2018, section 3.2, at zero flow, divided by the sum of the weights.
 *
 * @throws FxError `invalid-argument` for options out of range.
 */
export const flicker = (options: IntervalOptions = {}): Metric => {
  const interval = checkedInterval('flicker', options)
  return streamingMetric({
    name: 'flicker',
    ideal: 0,
    needs: ['input', 'previous'],
    measure: batch => steadinessRows(batch, batch.previous!),
    accumulator: slice => ratioOfSums(interval, slice),
  })
}

/**
 * Warping error: how much the output changes along the motion of the scene, beyond what the input does. As `flicker`, with
 * the frame before carried to this one by `previous.flow`, so that moving parts count as well; what the flow takes from
 * outside the frame, or does not explain in the input, is left out. 0 for an effect that sticks to what it is on. Honours
 * the mask.
 *
 * Source: as `flicker`.
 *
 * @throws FxError `invalid-argument` for options out of range; from `add`, also for a batch without flow.
 */
export const warpingError = (options: IntervalOptions = {}): Metric => {
  const interval = checkedInterval('warping error', options)
  return streamingMetric({
    name: 'warping error',
    ideal: 0,
    needs: ['input', 'previous'],
    async measure(batch) {
      const { output, input, flow } = batch.previous!
      if (!flow) throw new FxError('invalid-argument', 'warping error: the batch lacks previous.flow')
      const moved = tf.tidy(() => {
        const seen = warp(tf.ones([...flow.shape.slice(0, 3), 1] as [number, number, number, 1]), flow)
        return {
          output: warp(output, flow, { padding: 'border' }),
          input: warp(input, flow, { padding: 'border' }),
          mask: batch.mask ? tf.mul<tf.Tensor4D>(seen, batch.mask) : seen,
        }
      })
      try {
        return await steadinessRows({ ...batch, mask: moved.mask }, moved)
      } finally {
        tf.dispose(moved)
      }
    },
    accumulator: slice => ratioOfSums(interval, slice),
  })
}
