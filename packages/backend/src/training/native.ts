import { FxError } from '@fx/core'
import type { DataId, TensorInfo } from '@tensorflow/tfjs-core'
import * as tf from '@tensorflow/tfjs-core'
import { shared, unshared } from './kernels.wasm.js'

/** What this package uses of tfjs's BackendWasm (its class is not needed, so the package is not imported here). */
export interface WasmBackend extends tf.KernelBackend {
  wasm: {
    asm: { memory?: WebAssembly.Memory }
    wasmMemory?: WebAssembly.Memory
    _malloc(bytes: number): number
    _free(pointer: number): void
    tfjs: { registerTensor(id: number, size: number, address: number): void; disposeData(id: number): void }
  }
  dataIdMap: { get(dataId: DataId): { id: number; memoryOffset: number } }
  makeOutput(shape: number[], dtype: 'float32'): TensorInfo
  disposeData(dataId: DataId): boolean
  refCount(dataId: DataId): number
}

/** The exports of `wasm/*.ts`; arguments are heap addresses and sizes, as documented there. */
type Kernel = (...args: number[]) => number
export interface NativeKernels {
  convBackpropFilter: Kernel
  convBackpropInput: Kernel
  turnFilter: Kernel
  depthwiseBackpropFilter: Kernel
  depthwiseBackpropInput: Kernel
  moments: Kernel
  normalise: Kernel
  normaliseCoefficients: Kernel
  normGradSums: Kernel
  normGradInput: Kernel
  normGradCoefficients: Kernel
  scaleChannels: Kernel
  clip: Kernel
  clipGrad: Kernel
  reluGrad: Kernel
  demodulation: Kernel
  activateModulated: Kernel
  lowPassModulated: Kernel
  groupNorm: Kernel
  groupNormGrad: Kernel
  matMul: Kernel
  matMulScratch: Kernel
  sumOfSquares: Kernel
  adamStep: Kernel
  averageStep: Kernel
}

let modules: { shared: WebAssembly.Module; unshared: WebAssembly.Module } | undefined
const instances = new WeakMap<object, NativeKernels>()

const bytesOf = (base64: string): Uint8Array<ArrayBuffer> => Uint8Array.from(atob(base64), char => char.charCodeAt(0))

/**
 * Compiles the kernels, once for the process.
 *
 * @throws FxError `backend-unavailable` when WebAssembly has no SIMD here.
 */
export const compileNative = async (): Promise<void> => {
  if (modules) return
  try {
    const unsharedModule = await WebAssembly.compile(bytesOf(unshared))
    // The shared variant is refused where WebAssembly has no threads; tfjs cannot use a shared memory there either.
    const sharedModule = await WebAssembly.compile(bytesOf(shared)).catch(() => unsharedModule)
    modules = { shared: sharedModule, unshared: unsharedModule }
  } catch (cause) {
    throw new FxError('backend-unavailable', 'The training kernels need WebAssembly SIMD, which is missing here.', {
      cause,
    })
  }
}

const memoryOf = (backend: WasmBackend): WebAssembly.Memory => {
  const memory = backend.wasm.wasmMemory ?? backend.wasm.asm.memory
  if (!memory) throw new FxError('unsupported', 'This build of tfjs-backend-wasm does not expose its memory.')
  return memory
}

/** The heap as floats. Take it anew for each use: a view does not follow when the heap grows. */
export const heapOf = (backend: WasmBackend): Float32Array => new Float32Array(memoryOf(backend).buffer)

/** The kernels on the heap of this backend. `compileNative` must have finished. */
export const nativeKernels = (backend: WasmBackend): NativeKernels => {
  const known = instances.get(backend)
  if (known) return known
  if (!modules) throw new FxError('invalid-argument', 'Call installTrainingKernels() first.')
  const memory = memoryOf(backend)
  // `instanceof SharedArrayBuffer` would throw where that class is hidden (a page that is not cross-origin isolated).
  const isShared = Object.prototype.toString.call(memory.buffer) === '[object SharedArrayBuffer]'
  const instance = new WebAssembly.Instance(isShared ? modules.shared : modules.unshared, { env: { memory } })
  const kernels = instance.exports as unknown as NativeKernels
  instances.set(backend, kernels)
  return kernels
}

/** True once `compileNative` has finished and the current backend is tfjs-wasm. */
export const nativeReady = (): boolean => modules !== undefined && tf.getBackend() === 'wasm'

export const wasmBackend = (): WasmBackend => tf.backend() as unknown as WasmBackend

/** Heap address of a tensor's data. It stays valid when the heap grows; views on the heap do not. */
export const addressOf = (backend: WasmBackend, { dataId }: { dataId: DataId }): number =>
  backend.dataIdMap.get(dataId).memoryOffset

/** A new uninitialised float tensor and its address. */
export const allocate = (backend: WasmBackend, shape: number[]): { info: TensorInfo; address: number } => {
  const info = backend.makeOutput(shape, 'float32')
  return { info, address: addressOf(backend, info) }
}

/** A new float tensor of zeros, for kernels that add to it. */
export const allocateZeros = (backend: WasmBackend, shape: number[]): { info: TensorInfo; address: number } => {
  const output = allocate(backend, shape)
  heapOf(backend).fill(0, output.address >>> 2, (output.address >>> 2) + tf.util.sizeFromShape(shape))
  return output
}

/** Calls `use` with the address of `floats` uninitialised floats that are freed afterwards. */
export const withScratch = <T>(backend: WasmBackend, floats: number, use: (address: number) => T): T => {
  const address = backend.wasm._malloc(floats * 4) >>> 0
  try {
    return use(address)
  } finally {
    backend.wasm._free(address)
  }
}
