// Runs in a browser. The report prepares wasm, trains nothing but computes one gradient with the native kernels.
import { type PrepareBackendOptions, prepareBackend, stopBackend } from '@fx/backend'
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

/** What a backend computes and how it came to be, before it was stopped and when it was started again. */
const restart = async (name: 'webgl' | 'wasm', lose: boolean) => {
  const once = async (threads: number) => {
    const { reason } = await prepareBackend({ backend: name, threads, wasmPaths: '/wasm/' })
    const sum = tf.tidy(() => tf.sum(tf.matMul(tf.ones([8, 8]), tf.ones([8, 8]))).dataSync()[0])
    return { reason, sum, tensors: tf.engine().state.numTensors }
  }
  const before = await once(1)
  const { gpgpu } = tf.backend() as unknown as { gpgpu?: { gl: WebGL2RenderingContext } }
  if (lose) gpgpu!.gl.getExtension('WEBGL_lose_context')!.loseContext()
  else stopBackend(name)
  const stopped = !(name in tf.engine().registry)
  const after = await once(2)
  stopBackend(name)
  stopBackend(name)
  return { before, stopped, after, lost: gpgpu?.gl.isContextLost() }
}

/** Why a backend cannot be had. */
const refusal = (options: PrepareBackendOptions) =>
  prepareBackend(options).then(
    ({ reason }) => reason,
    (error: Error) => error.message,
  )

Object.assign(globalThis, { report, restart, refusal })
