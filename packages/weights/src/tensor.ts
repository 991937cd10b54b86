import { type Dtype, decodeElements, dtypeBytes, type TensorData } from './dtype.js'
import { corrupt, unsupported } from './errors.js'
import type { ByteSource } from './source.js'

/** A tensor at rest. Nothing but its description is in memory until `load`. */
export interface WeightTensor {
  readonly dtype: Dtype
  /** As the checkpoint has it: torch's OIHW, TensorFlow's HWIO. A scalar is `[]`. */
  readonly shape: readonly number[]
  /**
   * The elements in row-major (C) order, whatever the strides in the file, in memory of the caller's own.
   *
   * @throws FxError `corrupt-file` when the bytes are missing or fail their checksum.
   */
  load(): Promise<TensorData>
}

/** Tensors by name, in the order of the checkpoint. */
export type TensorMap = ReadonlyMap<string, WeightTensor>

/** Where a storage's bytes lie; `verify` judges all of them when the layout has checksums. */
export interface StorageBytes {
  readonly source: ByteSource
  readonly offset: number
  readonly verify?: (storage: Uint8Array) => void
}

export interface StridedTensor {
  readonly source: ByteSource
  readonly dtype: Dtype
  readonly shape: readonly number[]
  /** In elements. */
  readonly strides: readonly number[]
  /** In elements, from the storage's begin. */
  readonly offset: number
  /** Elements in the storage. */
  readonly storageLength: number
  locate(): Promise<StorageBytes>
}

const maxRank = 32
/** A view may repeat elements (stride 0); more than this many, beyond what its storage has, is an attack on memory. */
const maxRepeated = 1 << 20

/** Elements of a shape. */
export const elementCount = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1)

/** Strides of a row-major tensor, in elements. */
export const rowMajorStrides = (shape: readonly number[]): number[] => {
  const strides = new Array<number>(shape.length)
  let stride = 1
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride
    stride *= shape[axis]!
  }
  return strides
}

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0

/**
 * A view of a storage as a tensor.
 *
 * @throws FxError `corrupt-file` when the view leaves its storage, `unsupported` for more than 32 axes or a small storage
 * that pretends to be a huge tensor.
 */
export const stridedTensor = (view: StridedTensor): WeightTensor => {
  const { source, dtype, strides, offset, storageLength } = view
  const shape = [...view.shape]
  if (shape.length > maxRank)
    throw unsupported(source, `a tensor has ${shape.length} axes; ${maxRank} are the most that are read`)
  if (strides.length !== shape.length || ![...shape, ...strides, offset].every(isCount))
    throw corrupt(source, `a tensor has shape [${shape}], strides [${strides}] and offset ${offset}`)
  const count = elementCount(shape)
  const span = count === 0 ? 0 : 1 + shape.reduce((last, size, axis) => last + (size - 1) * strides[axis]!, 0)
  if (!isCount(count) || !isCount(span) || offset + span > storageLength)
    throw corrupt(
      source,
      `a tensor of shape [${shape}], strides [${strides}] and offset ${offset} leaves its storage of ${storageLength} elements`,
    )
  if (count > storageLength && count > maxRepeated)
    throw unsupported(source, `a tensor of shape [${shape}] repeats a storage of ${storageLength} elements`)

  const size = dtypeBytes[dtype]
  const contiguous = span === count && isRowMajor(shape, strides)
  return {
    dtype,
    shape,
    load: async () => {
      const storage = await view.locate()
      let bytes: Uint8Array
      if (storage.verify) {
        const whole = await storage.source.read(storage.offset, storageLength * size)
        storage.verify(whole)
        bytes = count === storageLength ? whole : whole.slice(offset * size, (offset + span) * size)
      } else bytes = await storage.source.read(storage.offset + offset * size, span * size)
      // A source of someone else's may return a view at any byte of its buffer.
      if (bytes.byteOffset % size !== 0) bytes = Uint8Array.from(bytes)
      return decodeElements(contiguous ? bytes : gather(bytes, size, shape, strides, count), dtype)
    },
  }
}

/** True when the strides are row-major; the stride of an axis of one element does not count. */
const isRowMajor = (shape: readonly number[], strides: readonly number[]): boolean => {
  const expected = rowMajorStrides(shape)
  return shape.every((size, axis) => size <= 1 || strides[axis] === expected[axis])
}

/** Copies a strided view into row-major order, an innermost row at a time. */
const gather = (
  bytes: Uint8Array,
  size: number,
  shape: readonly number[],
  strides: readonly number[],
  count: number,
): Uint8Array => {
  const result = new Uint8Array(count * size)
  const rank = shape.length
  const index = new Array<number>(rank).fill(0)
  let from = 0
  for (let to = 0; to < result.length; to += size) {
    for (let byte = 0; byte < size; byte++) result[to + byte] = bytes[from * size + byte]!
    for (let axis = rank - 1; axis >= 0; axis--) {
      from += strides[axis]!
      if (++index[axis]! < shape[axis]!) break
      from -= strides[axis]! * shape[axis]!
      index[axis] = 0
    }
  }
  return result
}

/**
 * A tensor's elements as Float32Array, whatever its type: float64 is rounded, integers are converted.
 *
 * @throws FxError `corrupt-file`, as `load` does.
 */
export const loadFloat32 = async (tensor: WeightTensor): Promise<Float32Array> => {
  const data = await tensor.load()
  if (data instanceof Float32Array) return data
  if (data instanceof BigInt64Array || data instanceof BigUint64Array)
    return Float32Array.from(data as ArrayLike<bigint>, Number)
  return Float32Array.from(data)
}
