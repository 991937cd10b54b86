import { FxError } from '@fx/core'
import * as wasm from '@tensorflow/tfjs-backend-wasm'
import * as tf from '@tensorflow/tfjs-core'
import type { BackendOptions } from './types.js'

export const startBackend = async ({
  threads,
  wasmPaths,
}: BackendOptions): Promise<{ name: string; threads: number }> => {
  if (wasmPaths !== undefined) wasm.setWasmPaths(wasmPaths as never)
  if (threads !== undefined) wasm.setThreadsCount(threads)
  if (!(await tf.setBackend('wasm'))) throw new FxError('backend-unavailable', 'wasm does not work here')
  await tf.ready()
  return { name: 'wasm', threads: 1 }
}
