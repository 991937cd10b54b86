import { prepareBackend } from '@fx/backend'
import * as tf from '@tensorflow/tfjs-core'

/**
 * A short single-threaded SIMD loop (a matrix product on tfjs's wasm backend) that shows when the machine is in a slow
 * spell. Returns a function that runs it once, about 3 ms, and tells its milliseconds.
 */
export const calibration = async (): Promise<() => number> => {
  await prepareBackend({ backend: 'wasm', threads: 1 })
  const side = 256
  const a = tf.randomUniform([side, side])
  const once = (): number => {
    const start = performance.now()
    const product = tf.matMul(a, a)
    product.dataSync()
    product.dispose()
    return performance.now() - start
  }
  for (let i = 0; i < 20; i++) once()
  return () => Math.min(once(), once())
}
