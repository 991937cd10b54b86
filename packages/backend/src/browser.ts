// What a page or a worker needs, and nothing of Node.
import { startCpu } from './cpu.js'
import type { Started } from './started.js'
import { startWasm, type WasmOptions } from './wasm.js'
import { startWebgl } from './webgl.js'
import { startWebgpu } from './webgpu.js'

export type { Started } from './started.js'
export { stopBackend } from './stop.js'

/** The backends that a browser may have. */
export type BrowserBackend = 'webgpu' | 'webgl' | 'wasm' | 'cpu'

export interface StartBackendOptions extends WasmOptions {
  /** Accept a GPU adapter that computes on the CPU: correct, but slower than wasm. Default false. */
  software?: boolean
}

/**
 * Loads, starts and selects one tfjs backend in a browser. One that runs already is selected as it is.
 *
 * @throws FxError `backend-unavailable` saying why it does not work here, `missing-package`.
 */
export const startBackend = (
  name: BrowserBackend,
  { software = false, ...wasm }: StartBackendOptions = {},
): Promise<Started> => {
  if (name === 'webgpu') return startWebgpu({ allowSoftware: software })
  if (name === 'webgl') return startWebgl({ allowSoftware: software })
  return name === 'wasm' ? startWasm(wasm) : startCpu()
}
