import * as tfc from '@tensorflow/tfjs-converter'
import * as tf from '@tensorflow/tfjs-core'
import type { LayersModel } from '@tensorflow/tfjs-layers'
import { expect } from 'vitest'
import { exportGraphModel, type GraphModelOptions } from '../src/index.js'
import { randomInput } from './student.js'

/** What a model and its export, as stock tfjs-converter runs it, answer to the same random batch of two. */
export const compareWithExport = async (model: LayersModel, options?: GraphModelOptions) => {
  const exported = await tfc.loadGraphModel(tf.io.fromMemory(await exportGraphModel(model, options)))
  const inputs = model.inputs.map(({ shape }, i) => randomInput([2, ...(shape.slice(1) as number[])], `input ${i}`))
  const before = tf.memory().numTensors
  const result = tf.tidy(() => {
    const expected = [model.predict(inputs)].flat() as tf.Tensor[]
    const actual = [exported.predict(inputs)].flat() as tf.Tensor[]
    expect(actual.map(({ shape }) => shape)).toEqual(expected.map(({ shape }) => shape))
    const worst = (a: tf.Tensor, b: tf.Tensor) => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0]!
    const differences = expected.map((tensor, i) => worst(tensor, actual[i]!))
    return {
      difference: Math.max(...differences),
      /** The same in units of each output's largest value. */
      relative: Math.max(...differences.map((value, i) => value / tf.max(tf.abs(expected[i]!)).dataSync()[0]!)),
      /** How far the model's values lie from their mean: near zero, equality would prove nothing. */
      spread: Math.min(...expected.map(tensor => worst(tensor, tf.mean(tensor)))),
    }
  })
  expect(tf.memory().numTensors).toBe(before)
  exported.dispose()
  tf.dispose(inputs)
  return result
}
