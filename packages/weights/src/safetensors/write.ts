import { FxError, listed } from '@fx/core'
import { type Dtype, dtypeBytes, encodeBfloat16, encodeFloat16, type TensorData } from '../dtype.js'
import { elementCount } from '../tensor.js'
import { safetensorsDtypes } from './read.js'

/** A tensor to be written. */
export interface WritableTensor {
  readonly shape: readonly number[]
  /** Row-major elements. */
  readonly data: TensorData
  /**
   * The type in the file; without it, the type of `data`. Float32Array can be written as `float16` or `bfloat16` (rounded
   * to nearest, ties to even), Uint8Array as `bool`.
   */
  readonly dtype?: Dtype
}

const dtypeOf = (data: TensorData): Dtype => {
  if (data instanceof Float32Array) return 'float32'
  if (data instanceof Float64Array) return 'float64'
  if (data instanceof BigInt64Array) return 'int64'
  if (data instanceof Int32Array) return 'int32'
  if (data instanceof Int16Array) return 'int16'
  if (data instanceof Int8Array) return 'int8'
  if (data instanceof BigUint64Array) return 'uint64'
  if (data instanceof Uint32Array) return 'uint32'
  if (data instanceof Uint16Array) return 'uint16'
  return 'uint8'
}

const codes = new Map([...safetensorsDtypes].map(([code, dtype]) => [dtype, code]))

const elementsFor = (name: string, data: TensorData, dtype: Dtype): TensorData => {
  const own = dtypeOf(data)
  if (dtype === own || (dtype === 'bool' && own === 'uint8')) return data
  if (data instanceof Float32Array && dtype === 'float16') return encodeFloat16(data)
  if (data instanceof Float32Array && dtype === 'bfloat16') return encodeBfloat16(data)
  const allowed = own === 'float32' ? [own, 'float16', 'bfloat16'] : own === 'uint8' ? [own, 'bool'] : [own]
  throw new FxError(
    'invalid-argument',
    `Tensor '${name}' holds ${own}, written as ${listed(allowed)}, not '${dtype}'`,
    {
      details: { name, dtype, allowed },
    },
  )
}

/**
 * Tensors as the bytes of a safetensors file. The same tensors and metadata give the same bytes, whatever their order:
 * tensors lie by falling element size, then by name, as the format's own library has them.
 *
 * @throws FxError `shape-mismatch` when a shape and its data disagree, `invalid-argument` for a dtype that the data cannot
 * be written as, or the name `__metadata__`.
 */
export const encodeSafetensors = (
  tensors: Iterable<readonly [string, WritableTensor]>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array => {
  const entries = new Map<string, { code: string; shape: readonly number[]; bytes: Uint8Array; element: number }>()
  for (const [name, { shape, data, dtype = dtypeOf(data) }] of tensors) {
    if (name === '__metadata__' || entries.has(name))
      throw new FxError('invalid-argument', `A tensor cannot be named '${name}': the name is taken`, {
        details: { name },
      })
    if (!shape.every(size => Number.isSafeInteger(size) && size >= 0) || elementCount(shape) !== data.length)
      throw new FxError('shape-mismatch', `Tensor '${name}' of shape [${shape}] has ${data.length} elements`, {
        details: { name, shape, elements: data.length },
      })
    const { buffer, byteOffset, byteLength } = elementsFor(name, data, dtype)
    const bytes = new Uint8Array(buffer, byteOffset, byteLength)
    entries.set(name, { code: codes.get(dtype)!, shape, bytes, element: dtypeBytes[dtype] })
  }
  const ordered = [...entries].sort(([a, x], [b, y]) => y.element - x.element || (a < b ? -1 : 1))

  // Written by hand: a name such as '7' would move to the front of an object, and '__proto__' would vanish.
  const members: string[] = []
  const notes = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1))
  const member = (key: string, value: string): string => `${JSON.stringify(key)}:${value}`
  if (notes.length > 0)
    members.push(member('__metadata__', `{${notes.map(([key, text]) => member(key, JSON.stringify(text))).join(',')}}`))
  let end = 0
  for (const [name, { code, shape, bytes }] of ordered) {
    const begin = end
    end += bytes.length
    members.push(member(name, JSON.stringify({ dtype: code, shape, data_offsets: [begin, end] })))
  }
  const header = new TextEncoder().encode(`{${members.join(',')}}`)
  const padded = Math.ceil(header.length / 8) * 8

  const file = new Uint8Array(8 + padded + end).fill(0x20, 8, 8 + padded)
  new DataView(file.buffer).setBigUint64(0, BigInt(padded), true)
  file.set(header, 8)
  let at = 8 + padded
  for (const [, { bytes }] of ordered) {
    file.set(bytes, at)
    at += bytes.length
  }
  return file
}
