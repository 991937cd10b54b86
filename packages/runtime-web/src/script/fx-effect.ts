import { FxEffectElement } from '../element/index.js'

// Beside this script lie its worker and the wasm files.
FxEffectElement.defaults.wasmPaths = new URL('./wasm/', import.meta.url).href

export * from '../element/index.js'
export { faceMesh } from '../face/face-mesh.js'
