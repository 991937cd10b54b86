import * as tf from '@tensorflow/tfjs-core'
import type { LayersModel } from '@tensorflow/tfjs-layers'

/** Values of every weight of a model, batch-norm statistics included, in the model's order. */
export type WeightValues = Float32Array[]

/** Copies the weights out. */
export const readWeights = (model: LayersModel): Promise<WeightValues> =>
  Promise.all(model.weights.map(async weight => ((await weight.read().data()) as Float32Array).slice()))

/** Copies values of `readWeights` back in. */
export const writeWeights = (model: LayersModel, values: WeightValues): void => {
  for (const [index, weight] of model.weights.entries()) {
    // A copy, since the cpu backend keeps the array it is given.
    tf.tidy(() => {
      weight.write(tf.tensor(values[index]!.slice(), weight.shape as number[], 'float32'))
    })
  }
}

/** The variables that gradients are taken for. */
export const trainableVariables = (model: LayersModel): tf.Variable[] =>
  model.trainableWeights.map(weight => weight.read() as tf.Variable)

/** Runs `work` with other weights in the model and puts its own back, also after a failure. */
export const withWeights = async <T>(model: LayersModel, values: WeightValues, work: () => Promise<T>): Promise<T> => {
  const own = await readWeights(model)
  writeWeights(model, values)
  try {
    return await work()
  } finally {
    writeWeights(model, own)
  }
}
