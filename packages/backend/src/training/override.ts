import { FxError } from '@fx/core'
import type {
  GradConfig,
  GradFunc,
  KernelConfig,
  KernelFunc,
  NamedAttrMap,
  Tensor,
  TensorInfo,
} from '@tensorflow/tfjs-core'
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

type Layer<Config> = (below: Config | undefined) => Config

interface Registry<Config> {
  get(): Config | undefined
  set(config: Config | undefined): void
}

interface Slot<Config> {
  base: Config | undefined
  layers: Layer<Config>[]
}

const kernelSlots = new Map<string, Slot<KernelConfig>>()
const gradientSlots = new Map<string, Slot<GradConfig>>()

/** Puts `layer` on top of what is registered; returns the undo. Undos may come in any order. */
const override = <Config>(
  slots: Map<string, Slot<Config>>,
  key: string,
  registry: Registry<Config>,
  layer: Layer<Config>,
): (() => void) => {
  const slot = slots.get(key) ?? { base: registry.get(), layers: [] }
  const register = () => registry.set(slot.layers.reduce<Config | undefined>((below, above) => above(below), slot.base))
  slots.set(key, slot)
  slot.layers.push(layer)
  register()
  return () => {
    slot.layers.splice(slot.layers.indexOf(layer), 1)
    register()
    if (slot.layers.length === 0) slots.delete(key)
  }
}

/** Puts a kernel on top of the registered one of the same name and backend; returns the undo. */
export const layerKernel = (kernelName: string, backendName: string, layer: Layer<KernelConfig>): (() => void) =>
  override(
    kernelSlots,
    `${backendName}/${kernelName}`,
    {
      get: () => tf.getKernel(kernelName, backendName),
      set(config) {
        if (tf.getKernel(kernelName, backendName)) tf.unregisterKernel(kernelName, backendName)
        if (config) tf.registerKernel(config)
      },
    },
    layer,
  )

/** Puts a gradient on top of the registered one of the same name, for all backends; returns the undo. */
export const layerGradient = (kernelName: string, layer: Layer<GradConfig>): (() => void) =>
  override(
    gradientSlots,
    kernelName,
    {
      get: () => tf.getGradient(kernelName),
      set(config) {
        if (tf.getGradient(kernelName)) tf.unregisterGradient(kernelName)
        if (config) tf.registerGradient(config)
      },
    },
    layer,
  )

/** Puts `kernel` in place of the registered one; returns the undo. */
export const overrideKernel = ({ kernelName, run }: NativeKernel): (() => void) =>
  layerKernel(kernelName, 'wasm', original => {
    const kernelFunc: KernelFunc = call => run(call as unknown as Call) ?? original!.kernelFunc(call)
    // The original's setup and disposal stay, so that delegation works on a backend that starts later.
    return { ...original, kernelName, backendName: 'wasm', kernelFunc }
  })

/** True while an outer tape records the gradient being computed, so that it will itself be differentiated. */
export const recording = (): boolean => tf.engine().state.gradientDepth > 0

/**
 * Puts `gradient` in place of the registered one; returns the undo. It steps aside on other backends, and while an outer
 * tape records (second-order gradients), since the native kernels have no gradient of their own.
 */
export const overrideGradient = ({ kernelName, run }: NativeGradient): (() => void) => {
  if (!tf.getGradient(kernelName)) return () => {}
  return layerGradient(kernelName, original => {
    const gradFunc: GradFunc = (dy, saved, attrs) => {
      const native = nativeReady() && !recording() && !Array.isArray(dy)
      return (native ? run(dy as Tensor, saved, attrs) : undefined) ?? original!.gradFunc(dy, saved, attrs)
    }
    return { ...original!, gradFunc }
  })
}

/**
 * Makes an installation countable: `install` runs for the first user only; each returned function takes back one use,
 * and the last one runs the undos.
 */
export const counted = (install: () => (() => void)[]): (() => () => void) => {
  let users = 0
  let undo: (() => void)[] = []
  return () => {
    if (users === 0) undo = install()
    users++
    let installed = true
    return () => {
      if (!installed) return
      installed = false
      users--
      if (users > 0) return
      for (const step of undo.reverse()) step()
      undo = []
    }
  }
}

/** @throws FxError `missing-package` when no package has registered tfjs's own gradients yet. */
export const requireGradients = (): void => {
  if (tf.getGradient(tf.Conv2D)) return
  throw new FxError(
    'missing-package',
    'tfjs has no gradients registered: import @tensorflow/tfjs-layers (or @tensorflow/tfjs) first.',
  )
}

/** Runs one of this package's own kernels and returns its output as tensors of the current scope. */
export const runNative = (kernelName: string, inputs: Record<string, Tensor>, attrs: NamedAttrMap = {}): Tensor[] => {
  const outputs = tf.engine().runKernel(kernelName, inputs, attrs) as Tensor | Tensor[]
  return Array.isArray(outputs) ? outputs : [outputs]
}
