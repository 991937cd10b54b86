import { wasmSuites } from './wasm.js'

wasmSuites(2)
