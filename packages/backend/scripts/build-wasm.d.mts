/** The contents of src/training/kernels.wasm.ts, compiled afresh. */
export function compiled(): Promise<string>
