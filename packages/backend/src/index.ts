export {
  type BackendCandidate,
  type BackendName,
  type PrepareBackendOptions,
  type PreparedBackend,
  prepareBackend,
} from './prepare.js'
export { stopBackend } from './stop.js'
export type { WasmPaths } from './wasm.js'
