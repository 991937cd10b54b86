import * as tfc from '@tensorflow/tfjs-converter'
import * as tf from '@tensorflow/tfjs-core'
import type { LayersModel } from '@tensorflow/tfjs-layers'
import { expect } from 'vitest'
import { exportGraphModel, exportTflite, type GraphModelOptions } from '../src/index.js'
import type { Engine } from './backends.js'
import { loadTflite } from './litert.js'
import { randomInput } from './student.js'

/** The export's answers, in the order of the model's outputs; the caller disposes them. */
type Run = (model: LayersModel, inputs: tf.Tensor[]) => Promise<tf.Tensor[]>

const runGraphModel =
  (options: GraphModelOptions): Run =>
  async (model, inputs) => {
    const exported = await tfc.loadGraphModel(tf.io.fromMemory(await exportGraphModel(model, options)))
    const answers = [exported.predict(inputs)].flat() as tf.Tensor[]
    exported.dispose()
    return answers
  }

const runTflite: Run = async (model, inputs) => {
  const exported = await loadTflite(await exportTflite(model))
  expect(exported.inputs.map(({ name, shape }) => [name, shape])).toEqual(
    inputs.map(({ shape }, i) => [model.inputNames[i], shape]),
  )
  expect(exported.outputs.map(({ name }) => name)).toEqual(model.outputNames)
  const answers = await exported.run(inputs.map(tensor => tensor.dataSync() as Float32Array))
  exported.dispose()
  return answers.map((values, i) => tf.tensor(values, exported.outputs[i]!.shape))
}

/**
 * What a model and its export answer to the same random batch: of two, as stock tfjs-converter runs the GraphModel on the
 * current backend, or of one, as LiteRT.js runs the TensorFlow Lite file.
 */
export const compareWithExport = async (
  model: LayersModel,
  { engine = 'wasm', ...options }: GraphModelOptions & { engine?: Engine } = {},
) => {
  const [run, batch] = engine === 'litert' ? [runTflite, 1] : [runGraphModel(options), 2]
  const inputs = model.inputs.map(({ shape }, i) => randomInput([batch, ...(shape.slice(1) as number[])], `input ${i}`))
  const before = tf.memory().numTensors
  const answers = await run(model, inputs)
  const result = tf.tidy(() => {
    const expected = [model.predict(inputs)].flat() as tf.Tensor[]
    expect(answers.map(({ shape }) => shape)).toEqual(expected.map(({ shape }) => shape))
    const worst = (a: tf.Tensor, b: tf.Tensor) => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0]!
    const differences = expected.map((tensor, i) => worst(tensor, answers[i]!))
    return {
      difference: Math.max(...differences),
      /** The same in units of each output's largest value. */
      relative: Math.max(...differences.map((value, i) => value / tf.max(tf.abs(expected[i]!)).dataSync()[0]!)),
      /** How far the model's values lie from their mean: near zero, equality would prove nothing. */
      spread: Math.min(...expected.map(tensor => worst(tensor, tf.mean(tensor)))),
    }
  })
  tf.dispose(answers)
  expect(tf.memory().numTensors).toBe(before)
  tf.dispose(inputs)
  return result
}
