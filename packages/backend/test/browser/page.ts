// Runs in a browser: prepares wasm, trains nothing but computes one gradient with the native kernels, and reports.
import { prepareBackend } from '@fx/backend'
import { installTrainingKernels } from '@fx/backend/training'
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-layers'

const report = async () => {
  const cores = navigator.hardwareConcurrency
  const prepared = await prepareBackend({ backend: 'wasm', threads: 2, wasmPaths: '/wasm/' })
  await installTrainingKernels()
  const image = tf.ones([1, 4, 4, 1]) as tf.Tensor4D
  const filter = tf.ones([3, 3, 1, 1]) as tf.Tensor4D
  const [, dw] = tf.grads((x, w) => tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, 'same'))([image, filter])
  return { prepared, gradient: [...dw!.dataSync()], coresUnchanged: navigator.hardwareConcurrency === cores }
}

Object.assign(globalThis, { report })
