import { type EffectSpec, FxError, listed } from '@fx/core'
import type { Metric, MetricResult } from '@fx/losses/metrics'
import * as tf from '@tensorflow/tfjs-core'
import type { LayersModel } from '@tensorflow/tfjs-layers'
import type { PairSet } from '../data/pairs.js'
import { predictions } from './evaluate.js'

/** What one of the config's metrics says of the student, and of the input as the answer. */
export interface MetricFigures {
  name: string
  student: MetricResult
  doNothing: MetricResult
  /** The value of a perfect student; null where it is infinite, which JSON cannot hold. */
  ideal: number | null
}

export interface MeasureOptions {
  /** New metrics, each time it is called. */
  metrics: () => readonly Metric[] | Promise<readonly Metric[]>
  model: LayersModel
  pairs: PairSet
  seeds: readonly number[]
  effect: EffectSpec
  batchSize: number
}

const imageOf = (values: ArrayLike<number>, size: number, scale: number): tf.Tensor4D =>
  tf.tensor4d(
    Float32Array.from(values, value => value / scale),
    [1, size, size, 3],
  )

/**
 * Measures a student's answers, clipped to [0, 1], with metrics that the evaluation does not know.
 *
 * @throws FxError `invalid-argument` when two metrics have one name, and what a metric throws.
 */
export const measureAlso = async (options: MeasureOptions): Promise<MetricFigures[]> => {
  const [ofStudent, ofInput] = [await options.metrics(), await options.metrics()]
  const names = ofStudent.map(({ name }) => name)
  if (new Set(names).size < names.length) {
    throw new FxError('invalid-argument', `Metrics are told apart by their names, got ${listed(names)}`)
  }
  for await (const { pixels, output } of predictions(options)) {
    const { size } = options.pairs
    const [input, target, answer] = [
      imageOf(pixels.input, size, 255),
      imageOf(pixels.target, size, 255),
      imageOf(output, size, 1),
    ]
    try {
      for (const metric of ofStudent) await metric.add({ output: answer, target, input })
      for (const metric of ofInput) await metric.add({ output: input, target, input })
    } finally {
      tf.dispose([input, target, answer])
    }
  }
  return ofStudent.map((metric, index) => ({
    name: metric.name,
    student: metric.result(),
    doNothing: ofInput[index]!.result(),
    ideal: Number.isFinite(metric.ideal) ? metric.ideal : null,
  }))
}
