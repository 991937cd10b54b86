import * as tf from '@tensorflow/tfjs-core'
import type { Started } from './started.js'

export const startCpu = async (): Promise<Started> => {
  await import('@tensorflow/tfjs-backend-cpu')
  await tf.setBackend('cpu')
  // Its first use prints an advertisement for tfjs-node; the report says how slow it is.
  Object.assign(tf.backend(), { firstUse: false })
  return { threads: 1, simd: false, note: 'plain JavaScript, slow' }
}
