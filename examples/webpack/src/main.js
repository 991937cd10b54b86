import { FxEffectElement } from '@fx/runtime-web/element'

FxEffectElement.defaults.wasmPaths = {
  'tfjs-backend-wasm.wasm': String(
    new URL('@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm', import.meta.url),
  ),
  'tfjs-backend-wasm-simd.wasm': String(
    new URL('@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm', import.meta.url),
  ),
  'tfjs-backend-wasm-threaded-simd.wasm': String(
    new URL('@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm', import.meta.url),
  ),
}
