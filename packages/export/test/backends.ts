import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import '@tensorflow/tfjs-backend-wasm'

/** The backends that exports are compared on. */
export const backends = ['cpu', 'wasm'] as const

export const useBackend = async (name: (typeof backends)[number]): Promise<void> => {
  await tf.setBackend(name)
  await tf.ready()
}
