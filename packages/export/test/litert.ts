import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import type { CompiledModel } from '@litertjs/core'

const require = createRequire(import.meta.url)
const loaderPath = require.resolve('@litertjs/core/wasm/litert_wasm_compat_internal.js')

/** What LiteRT.js takes for granted, since it knows browsers alone. */
interface WorkerScope {
  self?: unknown
  importScripts?: (url: string) => void
  /** Options of LiteRT.js's own module. */
  Module?: { printErr(line: string): void }
}

/**
 * LiteRT.js in Node, one thread: its loader is CommonJS in a package of ES modules, and is run as the script of a worker
 * would be.
 */
const start = async () => {
  const scope = globalThis as WorkerScope
  const { self } = scope
  const { warn } = console
  scope.self = globalThis
  // It tells that there is no WebGPU, and every step of its start.
  scope.Module = { printErr: () => {} }
  console.warn = () => {}
  scope.importScripts = path => {
    const script = new Function(
      'require',
      '__filename',
      '__dirname',
      `${readFileSync(path, 'utf8')}; return ModuleFactory`,
    )
    Object.assign(globalThis, { ModuleFactory: script(require, path, dirname(path)) })
  }
  try {
    const litert = await import('@litertjs/core')
    await litert.loadLiteRt(loaderPath)
    return litert
  } finally {
    console.warn = warn
    delete scope.importScripts
    delete scope.Module
    if (self === undefined) delete scope.self
  }
}

let started: ReturnType<typeof start> | undefined

export interface LitertModel {
  inputs: { name: string; shape: number[] }[]
  outputs: { name: string; shape: number[] }[]
  /** Whether XNNPACK takes every operation. */
  accelerated: boolean
  /** Runs the model on the inputs' values, in its order. */
  run(inputs: readonly Float32Array[]): Promise<Float32Array[]>
  dispose(): void
}

/** Loads the bytes of a `.tflite` file into LiteRT.js. */
export const loadTflite = async (bytes: Uint8Array): Promise<LitertModel> => {
  started ??= start()
  const { loadAndCompile, Tensor } = await started
  const model: CompiledModel = await loadAndCompile(bytes, { accelerator: 'wasm' })
  const details = (list: ReturnType<CompiledModel['getInputDetails']>) =>
    list.map(({ name, shape }) => ({ name, shape: [...shape] }))
  const inputs = details(model.getInputDetails())
  return {
    inputs,
    outputs: details(model.getOutputDetails()),
    accelerated: model.isFullyAccelerated,
    run: async values => {
      const tensors = values.map((data, i) => new Tensor(data, inputs[i]!.shape))
      const results = await model.run(tensors)
      const answers = results.map(result => Float32Array.from(result.toTypedArray()))
      for (const tensor of [...tensors, ...results]) tensor.delete()
      return answers
    },
    dispose: () => model.delete(),
  }
}
