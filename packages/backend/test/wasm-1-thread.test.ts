import { wasmSuites } from './wasm.js'

wasmSuites(1)
