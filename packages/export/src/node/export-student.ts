import { type EffectSpec, FxError } from '@fx/core'
import * as tfc from '@tensorflow/tfjs-converter'
import * as tf from '@tensorflow/tfjs-core'
import type { LayersModel } from '@tensorflow/tfjs-layers'
import { type FrozenParameters, freezeEffect } from '../bundle/frozen.js'
import { inputTensors, inputValues, type RgbImage, studentShape, toBytes, type ValueRange } from '../bundle/image.js'
import { matteModel, overlaid } from '../bundle/matte.js'
import { exportGraphModel } from '../export-graph-model.js'
import type { GraphModelOptions } from '../graph-model/to-graph-model.js'
import { graphModelFiles } from './graph-model-files.js'

/** Largest difference, out of 255, at which a runtime still counts as correct: rounding of two kernels and of resizing. */
export const probeTolerance = 2

export interface StudentExportOptions {
  effect: EffectSpec
  inputRange: ValueRange
  outputRange: ValueRange
  weights?: GraphModelOptions['weights']
  freeze?: FrozenParameters
  /** Export what the student paints and where, instead of the picture. */
  matte: boolean
}

/**
 * A student as the files of a GraphModel, by name, and its answer to a picture of its size.
 *
 * @throws FxError `unsupported` (a layer, the model's shape, or an export that answers otherwise than the model),
 *   `shape-mismatch` (the picture), `invalid-argument` (frozen parameters), `not-finite`.
 */
export const exportStudent = async (model: LayersModel, picture: RgbImage, options: StudentExportOptions) => {
  const { effect, inputRange, outputRange, matte } = options
  const shape = studentShape(model, effect)
  const values = inputValues(picture, shape, inputRange)
  const { asked, shipped, freeze } = freezeEffect(model, effect, options.freeze)
  const answer = async (predictor: LayersModel | tfc.GraphModel, effect: EffectSpec): Promise<Uint8Array> => {
    const output = tf.tidy(() => predictor.predict(inputTensors(values, shape, effect)) as tf.Tensor)
    try {
      const data = await output.data()
      return output.shape[3] === 4 ? overlaid(data, picture, outputRange) : toBytes(data, outputRange)
    } finally {
      output.dispose()
    }
  }
  const source = matte ? matteModel(model) : model
  const artifacts = await exportGraphModel(source, { weights: options.weights, freeze })
  const expected = await answer(model, asked)
  const exported = await tfc.loadGraphModel(tf.io.fromMemory(artifacts))
  try {
    const actual = await answer(exported, shipped)
    const worst = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - actual[i]!)), 0)
    if (worst > probeTolerance) {
      throw new FxError(
        'unsupported',
        `The exported model differs from the LayersModel by ${worst} of 255 on the probe, allowed are ${probeTolerance}`,
        { details: { difference: worst } },
      )
    }
  } finally {
    exported.dispose()
  }
  return { shape, shipped, source, freeze, files: graphModelFiles(artifacts), answer: expected }
}
