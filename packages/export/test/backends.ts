import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import '@tensorflow/tfjs-backend-wasm'

/** What exports are compared on: two backends of tfjs for the GraphModel, LiteRT.js for the TensorFlow Lite file. */
export const engines = ['cpu', 'wasm', 'litert'] as const
export type Engine = (typeof engines)[number]

/** Makes the engine's backend the current one; beside LiteRT.js it is wasm that runs the LayersModel. */
export const useBackend = async (engine: Engine): Promise<void> => {
  await tf.setBackend(engine === 'litert' ? 'wasm' : engine)
  await tf.ready()
}
