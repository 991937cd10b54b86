// The module's exports. Every pointer is a byte address in tfjs's own wasm heap; the module owns no memory,
// keeps no state and has no data segment, so that it can be instantiated on that heap without touching it.
export * from './adam'
export * from './batchNorm'
export * from './conv'
export * from './depthwise'
export * from './elementwise'
export * from './groupNorm'
export * from './matMul'
export * from './modulation'
