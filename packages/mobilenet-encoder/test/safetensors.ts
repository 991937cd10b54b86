import { readFileSync } from 'node:fs'

export interface StoredTensor {
  shape: number[]
  values: Float32Array
}

const halfToFloat = (half: number): number => {
  const sign = half & 0x8000 ? -1 : 1
  const exponent = (half >> 10) & 31
  const fraction = half & 1023
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15))
}

/** Every tensor of a safetensors file of F32 and F16 tensors, as float32. */
export const readSafetensors = (url: URL): Map<string, StoredTensor> => {
  const bytes = readFileSync(url)
  const headerLength = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerLength)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >
  const tensors = new Map<string, StoredTensor>()
  for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(header)) {
    if (name === '__metadata__') continue
    const start = 8 + headerLength + offsets[0]
    const count = shape.reduce((a, b) => a * b, 1)
    tensors.set(name, {
      shape,
      values: Float32Array.from({ length: count }, (_, i) =>
        dtype === 'F16' ? halfToFloat(bytes.readUInt16LE(start + 2 * i)) : bytes.readFloatLE(start + 4 * i),
      ),
    })
  }
  return tensors
}
