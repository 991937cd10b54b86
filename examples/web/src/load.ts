import { type Effect, type EngineName, loadEffect } from '@fx/runtime-web'
import plain from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url'
import simd from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url'
import threaded from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm?url'

declare const LITERT_PATH: string

export type EngineChoice = 'auto' | EngineName

const wasmPaths = {
  'tfjs-backend-wasm.wasm': plain,
  'tfjs-backend-wasm-simd.wasm': simd,
  'tfjs-backend-wasm-threaded-simd.wasm': threaded,
}

/** Loads a bundle. LiteRT.js is 9 MB, so it is not tried before somebody asks for it. */
export const load = (url: string, engine: EngineChoice, signal: AbortSignal): Promise<Effect> =>
  loadEffect(url, { engine, wasmPaths, signal, ...(engine === 'litert' && { litertPath: LITERT_PATH }) })
