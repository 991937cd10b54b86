import { type Dtype, dtypeBytes } from '../dtype.js'
import { bytesSource } from '../source.js'
import { elementCount, rowMajorStrides, stridedTensor, type WeightTensor } from '../tensor.js'
import {
  describe,
  type GlobalSpec,
  type Machine,
  PyBytes,
  PyGlobal,
  PyOpaque,
  PyTuple,
  type PyValue,
} from './values.js'

const dtypes: ReadonlyMap<string, Dtype> = new Map([
  ['f8', 'float64'],
  ['f4', 'float32'],
  ['f2', 'float16'],
  ['i8', 'int64'],
  ['i4', 'int32'],
  ['i2', 'int16'],
  ['i1', 'int8'],
  ['u8', 'uint64'],
  ['u4', 'uint32'],
  ['u2', 'uint16'],
  ['u1', 'uint8'],
  ['b1', 'bool'],
])

/** `numpy.dtype`. Its state says the byte order, and fields that no array of numbers has. */
class NumpyDtype extends PyOpaque {
  readonly kind = 'a NumPy dtype'
  constructor(readonly dtype: Dtype) {
    super()
  }
  override build(state: PyValue, machine: Machine): void {
    const order = state instanceof PyTuple ? state.items[1] : undefined
    if (order === '>') throw machine.unsupported('it holds big-endian NumPy values')
    if (order !== '<' && order !== '|' && order !== '=')
      throw machine.corrupt(`a NumPy dtype has the state ${describe(state)}`)
  }
}

/** A NumPy array, or with `scalar` one of NumPy's numbers. */
export class NumpyArray extends PyOpaque {
  readonly kind = 'a NumPy array'
  /** Missing until BUILD has given the shape and the bytes. */
  tensor?: WeightTensor
  /** The number of a scalar. */
  value?: number | bigint

  constructor(readonly scalar: boolean) {
    super()
  }

  override build(state: PyValue, machine: Machine): void {
    const [version, shape, dtype, fortran, data] = state instanceof PyTuple ? state.items : []
    if (this.tensor || version !== 1 || !(shape instanceof PyTuple) || !(dtype instanceof NumpyDtype))
      throw machine.corrupt(`a NumPy array has the state ${describe(state)}`)
    this.fill(shape.items, dtype.dtype, data ?? null, fortran === true, machine)
  }

  fill(shape: readonly PyValue[], dtype: Dtype, data: PyValue, fortran: boolean, machine: Machine): void {
    const bytes = bytesOf(data, machine)
    const sizes = shape.map(size => (typeof size === 'number' ? size : Number.NaN))
    const tensor = stridedTensor({
      source: machine.source,
      dtype,
      shape: sizes,
      strides: fortran ? rowMajorStrides([...sizes].reverse()).reverse() : rowMajorStrides(sizes),
      offset: 0,
      storageLength: bytes.length / dtypeBytes[dtype],
      locate: async () =>
        bytes.inline
          ? { source: bytesSource(bytes.inline, machine.source.name), offset: 0 }
          : { source: bytes.source, offset: bytes.offset },
    })
    if (elementCount(sizes) * dtypeBytes[dtype] !== bytes.length)
      throw machine.corrupt(`a NumPy array of ${dtype} and shape [${sizes}] has ${bytes.length} bytes`)
    this.tensor = tensor
  }
}

/** Bytes as Python 3 writes them; protocol 2 writes a string of characters U+0000 to U+00FF. */
const bytesOf = (value: PyValue, machine: Machine): PyBytes => {
  if (value instanceof PyBytes) return value
  if (typeof value === 'string') return latin1Bytes(value, machine)
  throw machine.corrupt(`the data of a NumPy array are ${describe(value)}, not bytes`)
}

const latin1Bytes = (text: string, machine: Machine): PyBytes => {
  machine.chargeBytes(text.length)
  const inline = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 255) throw machine.corrupt('a byte string has a character above U+00FF')
    inline[i] = code
  }
  return new PyBytes(machine.source, 0, inline.length, inline)
}

const dtype: GlobalSpec = {
  call: ([name], machine) => {
    const known = typeof name === 'string' ? dtypes.get(name) : undefined
    if (!known)
      throw machine.unsupported(
        `it holds NumPy values of type ${describe(name ?? null)}; ${[...dtypes.keys()].join(', ')} are read`,
      )
    return new NumpyDtype(known)
  },
}

/** The type that `_reconstruct` is told to make; nothing is made of it. */
const ndarray: GlobalSpec = {}

const reconstruct: GlobalSpec = {
  call: ([type], machine) => {
    if (!(type instanceof PyGlobal) || type.spec !== ndarray)
      throw machine.corrupt(`NumPy is to reconstruct ${describe(type ?? null)}, not an array`)
    return new NumpyArray(false)
  },
}

const scalar: GlobalSpec = {
  call: ([type, data], machine) => {
    if (!(type instanceof NumpyDtype)) throw machine.corrupt('a NumPy number has no dtype')
    const array = new NumpyArray(true)
    array.fill([], type.dtype, data ?? null, false, machine)
    const { inline } = bytesOf(data ?? null, machine)
    array.value = readNumber(inline!, type.dtype)
    return array
  },
}

/** Protocol 5's form of an array. */
const fromBuffer: GlobalSpec = {
  call: ([data, type, shape, order], machine) => {
    if (!(type instanceof NumpyDtype) || !(shape instanceof PyTuple))
      throw machine.corrupt('a NumPy array has no dtype or no shape')
    const array = new NumpyArray(false)
    array.fill(shape.items, type.dtype, data ?? null, order === 'F', machine)
    return array
  },
}

const readNumber = (bytes: Uint8Array, type: Dtype): number | bigint => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  switch (type) {
    case 'float64':
      return view.getFloat64(0, true)
    case 'float32':
      return view.getFloat32(0, true)
    case 'int64':
      return view.getBigInt64(0, true)
    case 'uint64':
      return view.getBigUint64(0, true)
    case 'int32':
      return view.getInt32(0, true)
    case 'uint32':
      return view.getUint32(0, true)
    case 'int16':
      return view.getInt16(0, true)
    case 'uint16':
      return view.getUint16(0, true)
    case 'int8':
      return view.getInt8(0)
    case 'uint8':
    case 'bool':
      return view.getUint8(0)
    default:
      return Number.NaN
  }
}

/** `_codecs.encode(text, 'latin1')`: how protocol 2 writes bytes. */
const encode: GlobalSpec = {
  call: ([text, encoding], machine) => {
    if (typeof text !== 'string' || encoding !== 'latin1')
      throw machine.corrupt(`a byte string is encoded as ${describe(encoding ?? null)}`)
    return latin1Bytes(text, machine)
  },
}

/** NumPy's arrays, numbers and dtypes, of NumPy 1 and 2. */
export const numpyGlobals: readonly (readonly [string, GlobalSpec])[] = [
  ['numpy.dtype', dtype],
  ['numpy.ndarray', ndarray],
  ['_codecs.encode', encode],
  ...['numpy.core', 'numpy._core'].flatMap(
    core =>
      [
        [`${core}.multiarray._reconstruct`, reconstruct],
        [`${core}.multiarray.scalar`, scalar],
        [`${core}.numeric._frombuffer`, fromBuffer],
      ] as const,
  ),
]
