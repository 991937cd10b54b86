import * as tf from '@tensorflow/tfjs-core'
import type { LayersModel } from '@tensorflow/tfjs-layers'

/** Values of every weight of a model, batch-norm statistics included, in the model's order. */
export type WeightValues = Float32Array[]

/** The variables behind all weights, batch-norm statistics included. */
export const allVariables = (model: LayersModel): tf.Variable[] =>
  model.weights.map(weight => weight.read() as tf.Variable)

/** The variables that gradients are taken for. */
export const trainableVariables = (model: LayersModel): tf.Variable[] =>
  model.trainableWeights.map(weight => weight.read() as tf.Variable)

/** Copies the weights out. */
export const readWeights = (model: LayersModel): Promise<WeightValues> =>
  Promise.all(allVariables(model).map(async variable => ((await variable.data()) as Float32Array).slice()))

/** Copies values of `readWeights` back in. */
export const writeWeights = (model: LayersModel, values: WeightValues): void => {
  for (const [index, variable] of allVariables(model).entries()) {
    // A copy, since the cpu backend keeps the array it is given.
    tf.tidy(() => variable.assign(tf.tensor(values[index]!.slice(), variable.shape, 'float32')))
  }
}
