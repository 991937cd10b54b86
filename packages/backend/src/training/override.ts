import type { GradFunc, KernelFunc, NamedAttrMap, Tensor, TensorInfo } from '@tensorflow/tfjs-core'
import * as tf from '@tensorflow/tfjs-core'
import { nativeReady, type WasmBackend } from './native.js'

/** The gradient of each input, computed when asked for. */
type InputGradients = Record<string, () => Tensor>

/** A call of a kernel on wasm. */
export interface Call {
  inputs: Record<string, TensorInfo>
  attrs: NamedAttrMap
  backend: WasmBackend
}

/** A wasm kernel of this package. Returns undefined to leave the call to the kernel it replaces. */
export interface NativeKernel {
  kernelName: string
  run(call: Call): TensorInfo | TensorInfo[] | undefined
}

/** A gradient of this package, used on wasm only. Returns undefined to leave the call to the gradient it replaces. */
export interface NativeGradient {
  kernelName: string
  run(dy: Tensor, saved: Tensor[], attrs: NamedAttrMap): InputGradients | undefined
}

/** Puts `kernel` in place of the registered one; returns the undo. */
export const overrideKernel = ({ kernelName, run }: NativeKernel): (() => void) => {
  const original = tf.getKernel(kernelName, 'wasm')
  const kernelFunc: KernelFunc = call => run(call as unknown as Call) ?? original!.kernelFunc(call)
  if (original) tf.unregisterKernel(kernelName, 'wasm')
  // The original's setup and disposal stay, so that delegation works on a backend that starts later.
  tf.registerKernel({ ...original, kernelName, backendName: 'wasm', kernelFunc })
  return () => {
    tf.unregisterKernel(kernelName, 'wasm')
    if (original) tf.registerKernel(original)
  }
}

/**
 * Puts `gradient` in place of the registered one; returns the undo. It steps aside on other backends, and while an outer
 * tape records (second-order gradients), since the native kernels have no gradient of their own.
 */
export const overrideGradient = ({ kernelName, run }: NativeGradient): (() => void) => {
  const original = tf.getGradient(kernelName)
  if (!original) return () => {}
  const gradFunc: GradFunc = (dy, saved, attrs) => {
    const native = nativeReady() && tf.engine().state.gradientDepth === 0 && !Array.isArray(dy)
    return (native ? run(dy as Tensor, saved, attrs) : undefined) ?? original.gradFunc(dy, saved, attrs)
  }
  tf.unregisterGradient(kernelName)
  tf.registerGradient({ ...original, gradFunc })
  return () => {
    tf.unregisterGradient(kernelName)
    tf.registerGradient(original)
  }
}

/** Runs one of this package's own kernels and returns its output as tensors of the current scope. */
export const runNative = (kernelName: string, inputs: Record<string, Tensor>, attrs: NamedAttrMap = {}): Tensor[] => {
  const outputs = tf.engine().runKernel(kernelName, inputs, attrs) as Tensor | Tensor[]
  return Array.isArray(outputs) ? outputs : [outputs]
}
