import { type Dtype, dtypeBytes } from '../dtype.js'
import { describe, type GlobalSpec, type Machine, PyGlobal, PyOpaque, PyTuple, type PyValue } from '../pickle/values.js'
import { type StorageBytes, stridedTensor, type WeightTensor } from '../tensor.js'

const storageDtypes: ReadonlyMap<string, Dtype> = new Map([
  ['torch.DoubleStorage', 'float64'],
  ['torch.FloatStorage', 'float32'],
  ['torch.HalfStorage', 'float16'],
  ['torch.BFloat16Storage', 'bfloat16'],
  ['torch.LongStorage', 'int64'],
  ['torch.IntStorage', 'int32'],
  ['torch.ShortStorage', 'int16'],
  ['torch.CharStorage', 'int8'],
  ['torch.ByteStorage', 'uint8'],
  ['torch.BoolStorage', 'bool'],
])

/** A block of elements that tensors are views of. Where it lies is known once its container has been laid out. */
export class TorchStorage extends PyOpaque {
  readonly kind = 'a torch storage'
  bytes?: StorageBytes | (() => Promise<StorageBytes>)

  constructor(
    readonly key: string,
    readonly dtype: Dtype,
    /** Elements. */
    readonly length: number,
  ) {
    super()
  }

  /** Bytes in all. */
  get size(): number {
    return this.length * dtypeBytes[this.dtype]
  }
}

/** A tensor, which is a view of a storage. */
export class TorchTensor extends PyOpaque {
  readonly kind = 'a torch tensor'
  constructor(readonly tensor: WeightTensor) {
    super()
  }
}

/** The storages that a pickle refers to, by key, and the meaning of its persistent ids. */
export const storageTable = (sourceBytes: number) => {
  const storages = new Map<string, TorchStorage>()
  /** `('storage', torch.FloatStorage, key, location, elements[, None])` */
  const persistent = (id: PyValue, machine: Machine): PyValue => {
    const [tag, type, key, , length, view = null] = id instanceof PyTuple ? id.items : []
    const dtype = type instanceof PyGlobal ? storageDtypes.get(type.name) : undefined
    if (tag !== 'storage' || !dtype || typeof key !== 'string' || typeof length !== 'number')
      throw machine.corrupt(`a storage is described by ${describe(id)}`)
    if (view !== null) throw machine.unsupported('it holds views of storages as torch before 0.4 wrote them')
    const size = length * dtypeBytes[dtype]
    if (length < 0 || !Number.isSafeInteger(size) || size > sourceBytes)
      throw machine.corrupt(`storage '${key}' has ${length} elements, more than the file`)
    const known = storages.get(key)
    if (known && (known.dtype !== dtype || known.length !== length))
      throw machine.corrupt(`storage '${key}' is described in two ways`)
    const storage = known ?? new TorchStorage(key, dtype, length)
    storages.set(key, storage)
    return storage
  }
  return { storages, persistent }
}

const integers = (value: PyValue | undefined, machine: Machine): number[] => {
  if (!(value instanceof PyTuple) || !value.items.every(item => typeof item === 'number'))
    throw machine.corrupt(`a tensor's sizes or strides are ${describe(value ?? null)}`)
  return value.items as number[]
}

/** `_rebuild_tensor(storage, offset, size, stride)`; v2 adds arguments that a reader does not need. */
const rebuildTensor: GlobalSpec = {
  call: ([storage, offset, sizes, strides], machine) => {
    if (!(storage instanceof TorchStorage) || typeof offset !== 'number')
      throw machine.corrupt(`a tensor is a view of ${describe(storage ?? null)} at ${describe(offset ?? null)}`)
    return new TorchTensor(
      stridedTensor({
        source: machine.source,
        dtype: storage.dtype,
        shape: integers(sizes, machine),
        strides: integers(strides, machine),
        offset,
        storageLength: storage.length,
        locate: async () => {
          if (!storage.bytes) throw machine.corrupt(`storage '${storage.key}' has no data`)
          return typeof storage.bytes === 'function' ? storage.bytes() : storage.bytes
        },
      }),
    )
  },
}

const rebuildParameter: GlobalSpec = {
  call: ([data], machine) => {
    if (!(data instanceof TorchTensor)) throw machine.corrupt(`a parameter is made of ${describe(data ?? null)}`)
    return data
  },
}

const size: GlobalSpec = {
  call: ([items], machine) => new PyTuple(Array.isArray(items) ? items : integers(items, machine)),
}

const device: GlobalSpec = {
  call: ([name], machine) => {
    if (typeof name !== 'string') throw machine.corrupt(`a device is named ${describe(name ?? null)}`)
    return name
  },
}

/** Tensors, parameters and the storages that they are views of. */
export const torchGlobals: readonly (readonly [string, GlobalSpec])[] = [
  ...[...storageDtypes.keys()].map(name => [name, {}] as const),
  ['torch._utils._rebuild_tensor', rebuildTensor],
  ['torch._utils._rebuild_tensor_v2', rebuildTensor],
  ['torch._utils._rebuild_parameter', rebuildParameter],
  ['torch.Size', size],
  ['torch.device', device],
]
