import * as tf from '@tensorflow/tfjs-core'
import type { NativeKernel } from './override.js'

/**
 * A clone that shares the data, as on every other backend; tfjs-wasm copies it. The gradient tape clones each tensor it
 * saves, so this halves the memory of a training step.
 */
export const identityKernels: NativeKernel[] = [
  {
    kernelName: tf.Identity,
    run({ inputs, backend }) {
      const { dataId, shape, dtype } = inputs.x!
      backend.incRef(dataId)
      return { dataId, shape, dtype }
    },
  },
]
