/** Element types of tensors at rest. */
export type Dtype =
  | 'float64'
  | 'float32'
  | 'float16'
  | 'bfloat16'
  | 'int64'
  | 'int32'
  | 'int16'
  | 'int8'
  | 'uint64'
  | 'uint32'
  | 'uint16'
  | 'uint8'
  | 'bool'

/**
 * Elements in memory. `float16` and `bfloat16` become Float32Array (exactly), `bool` becomes Uint8Array, 64-bit integers
 * become big integers; every other type keeps its own.
 */
export type TensorData =
  | Float64Array
  | Float32Array
  | BigInt64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | BigUint64Array
  | Uint32Array
  | Uint16Array
  | Uint8Array

/** Bytes of one element. */
export const dtypeBytes: Readonly<Record<Dtype, number>> = {
  float64: 8,
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint64: 8,
  uint32: 4,
  uint16: 2,
  uint8: 1,
  bool: 1,
}

let float16Table: Float32Array | undefined

/** Every half-precision number by its 16 bits: 256 KiB, made when the first half is read. */
const float16Values = (): Float32Array => {
  if (float16Table) return float16Table
  const table = new Float32Array(65536)
  for (let bits = 0; bits < 65536; bits++) {
    const exponent = (bits >> 10) & 31
    const fraction = bits & 1023
    const magnitude =
      exponent === 0
        ? fraction * 2 ** -24
        : exponent === 31
          ? fraction
            ? Number.NaN
            : Number.POSITIVE_INFINITY
          : (1 + fraction / 1024) * 2 ** (exponent - 15)
    table[bits] = bits & 0x8000 ? -magnitude : magnitude
  }
  float16Table = table
  return table
}

/** Little-endian bytes, aligned and the caller's own, as elements. */
export const decodeElements = (bytes: Uint8Array, dtype: Dtype): TensorData => {
  const { buffer, byteOffset } = bytes
  const count = bytes.byteLength / dtypeBytes[dtype]
  switch (dtype) {
    case 'float64':
      return new Float64Array(buffer, byteOffset, count)
    case 'float32':
      return new Float32Array(buffer, byteOffset, count)
    case 'float16': {
      const table = float16Values()
      const halves = new Uint16Array(buffer, byteOffset, count)
      const values = new Float32Array(count)
      for (let i = 0; i < count; i++) values[i] = table[halves[i]!]!
      return values
    }
    case 'bfloat16': {
      const words = new Uint32Array(count)
      const halves = new Uint16Array(buffer, byteOffset, count)
      for (let i = 0; i < count; i++) words[i] = halves[i]! << 16
      return new Float32Array(words.buffer)
    }
    case 'int64':
      return new BigInt64Array(buffer, byteOffset, count)
    case 'int32':
      return new Int32Array(buffer, byteOffset, count)
    case 'int16':
      return new Int16Array(buffer, byteOffset, count)
    case 'int8':
      return new Int8Array(buffer, byteOffset, count)
    case 'uint64':
      return new BigUint64Array(buffer, byteOffset, count)
    case 'uint32':
      return new Uint32Array(buffer, byteOffset, count)
    case 'uint16':
      return new Uint16Array(buffer, byteOffset, count)
    case 'uint8':
    case 'bool':
      return bytes
  }
}

/** Rounds to nearest, ties to even, at `drop` low bits of a non-negative integer below 2^32. */
const roundBits = (value: number, drop: number): number => {
  const kept = value >>> drop
  const rest = value & ((1 << drop) - 1)
  const half = 1 << (drop - 1)
  return kept + (rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0)
}

/** Rounds to half precision (nearest, ties to even; too large becomes infinite), as bits. */
export const encodeFloat16 = (values: Float32Array): Uint16Array => {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  return Uint16Array.from(bits, word => {
    const sign = (word >>> 16) & 0x8000
    const magnitude = word & 0x7fffffff
    if (magnitude > 0x7f800000) return sign | 0x7e00
    if (magnitude >= 0x47800000) return sign | 0x7c00
    if (magnitude >= 0x38800000) return sign | roundBits(magnitude - 0x38000000, 13)
    const shift = 126 - (magnitude >>> 23)
    if (shift > 24) return sign
    return sign | roundBits((magnitude & 0x7fffff) | 0x800000, shift)
  })
}

/** Rounds to bfloat16 (nearest, ties to even), as bits. */
export const encodeBfloat16 = (values: Float32Array): Uint16Array => {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  return Uint16Array.from(bits, word => ((word & 0x7fffffff) > 0x7f800000 ? (word >>> 16) | 0x40 : roundBits(word, 16)))
}
