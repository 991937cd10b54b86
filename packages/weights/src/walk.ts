import { corrupt, unsupported } from './errors.js'
import { NumpyArray } from './pickle/numpy.js'
import { PyInstance, PyTuple, type PyValue } from './pickle/values.js'
import type { ByteSource } from './source.js'
import { PersistentObject } from './stylegan/persistent.js'
import type { WeightTensor } from './tensor.js'
import { TorchTensor } from './torch/globals.js'

/** Plain data of a checkpoint. Records have no prototype, so that a key named `__proto__` is a key like any other. */
export type PlainValue = null | boolean | number | bigint | string | PlainValue[] | PlainRecord
export interface PlainRecord {
  [key: string]: PlainValue
}

/** A module or network that a checkpoint describes beside its tensors. */
export interface ModuleInfo {
  /** The name of its Python class. */
  readonly className: string
  /** Positional arguments of its constructor, and those given by name: the architecture. */
  readonly args: readonly PlainValue[]
  readonly kwargs: PlainRecord
  /** What the module keeps beside its tensors and is a number, text, or a list of them: `num_ws`, `conv_clamp`. */
  readonly attributes: PlainRecord
}

/** What a walk over a pickle finds. */
export interface Contents {
  readonly tensors: Map<string, WeightTensor>
  readonly modules: Map<string, ModuleInfo>
  metadata: PlainRecord
}

const maxDepth = 64
/** References to shared values multiply: a pickle of a few hundred bytes can hold 10^9 paths. */
const maxVisits = 500_000
/** Names repeat the keys above them: a key of a megabyte above ten thousand tensors would fill ten gigabytes. */
const maxName = 4096

/** An empty record without a prototype. */
export const nullRecord = <T extends PlainRecord = PlainRecord>(): T => Object.create(null) as T

/** Adds a tensor under a name of its own. */
export const addTensor = (source: ByteSource, contents: Contents, name: string, tensor: WeightTensor): void => {
  if (name.length > maxName)
    throw unsupported(source, `it has a tensor with a name of ${name.length} letters; ${maxName} are read`)
  if (contents.tensors.has(name)) throw corrupt(source, `it has two tensors named '${name.slice(0, 200)}'`)
  contents.tensors.set(name, tensor)
}

/** Counts the values of a walk, so that it ends in time. */
export class Visits {
  private left = maxVisits
  constructor(private readonly source: ByteSource) {}

  count(values: number): void {
    this.left -= values
    if (this.left < 0)
      throw unsupported(this.source, `it holds more than ${maxVisits} values, or refers to the same ones too often`)
  }
}

const join = (path: string, name: PyValue): string => (path === '' ? String(name) : `${path}.${String(name)}`)

/**
 * Tensors of a torch or StyleGAN pickle, by their path joined with dots as in a state dict; everything else that is plain
 * becomes metadata.
 */
export const walkTorch = (source: ByteSource, root: PyValue): Contents => {
  const contents: Contents = { tensors: new Map(), modules: new Map(), metadata: nullRecord() }
  const metadata = new Walk(source, contents, new Visits(source)).value(root, '', 0)
  if (isRecord(metadata)) contents.metadata = metadata
  return contents
}

/** A pickled value without tensors as plain data; what is not plain is left out. */
export const toPlain = (source: ByteSource, value: PyValue, visits: Visits): PlainValue =>
  new Walk(source, undefined, visits).value(value, '', 0) ?? nullRecord()

const isRecord = (value: PlainValue | undefined): value is PlainRecord =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

class Walk {
  constructor(
    private readonly source: ByteSource,
    /** Where tensors and modules go; missing when only plain data are wanted. */
    private readonly contents: Contents | undefined,
    private readonly visits: Visits,
  ) {}

  /** The plain part of a value, or undefined when it has none. */
  value(value: PyValue, path: string, depth: number): PlainValue | undefined {
    if (depth > maxDepth) throw unsupported(this.source, `its values nest deeper than ${maxDepth}`)
    this.visits.count(1)
    if (value === null || typeof value !== 'object') return value
    if (value instanceof Map) return this.record(value, path, depth)
    if (value instanceof PyInstance) return this.record(value.attributes, path, depth)
    if (Array.isArray(value)) return this.list(value, path, depth)
    if (value instanceof PyTuple) return this.list(value.items, path, depth)
    if (value instanceof Set) {
      this.visits.count(value.size)
      return [...value] as PlainValue[]
    }
    if (value instanceof TorchTensor) return this.tensor(path, value.tensor)
    if (value instanceof NumpyArray)
      return value.scalar ? value.value : value.tensor ? this.tensor(path, value.tensor) : undefined
    if (value instanceof PersistentObject) return this.module(value, path, depth)
    return undefined
  }

  private tensor(path: string, tensor: WeightTensor): undefined {
    if (this.contents) addTensor(this.source, this.contents, path, tensor)
  }

  private record(entries: ReadonlyMap<PyValue, PyValue>, path: string, depth: number): PlainRecord | undefined {
    const record = nullRecord()
    let plain = entries.size === 0
    for (const [key, entry] of entries) {
      const value = this.value(entry, join(path, key), depth + 1)
      if (value === undefined) continue
      record[String(key)] = value
      plain = true
    }
    return plain ? record : undefined
  }

  private list(items: readonly PyValue[], path: string, depth: number): PlainValue[] | undefined {
    const list: PlainValue[] = []
    items.forEach((item, index) => {
      const value = this.value(item, join(path, index), depth + 1)
      if (value !== undefined) list.push(value)
    })
    return list.length > 0 || items.length === 0 ? list : undefined
  }

  private module(module: PersistentObject, path: string, depth: number): undefined {
    const { contents, source } = this
    if (!contents) return
    const { state } = module
    this.visits.count(state.size)
    const plain = new Walk(source, undefined, this.visits)
    const attributes = nullRecord()
    for (const [key, value] of state) {
      if (typeof key !== 'string' || key.startsWith('_') || key === 'training') continue
      if (value instanceof Map || value instanceof PyInstance || value instanceof PersistentObject) continue
      const simple = plain.value(value, '', depth + 1)
      if (simple !== undefined) attributes[key] = simple
    }
    const args = plain.value(state.get('_init_args') ?? [], '', depth + 1)
    const kwargs = plain.value(state.get('_init_kwargs') ?? new Map(), '', depth + 1)
    contents.modules.set(path, {
      className: module.className,
      args: Array.isArray(args) ? args : [],
      kwargs: isRecord(kwargs) ? kwargs : nullRecord(),
      attributes,
    })
    // torch's order of a state dict: parameters, buffers, then the modules below.
    for (const part of ['_parameters', '_buffers', '_modules']) {
      const members = state.get(part) ?? new Map()
      if (!(members instanceof Map)) throw corrupt(source, `the ${part} of ${module.kind} are not a dict`)
      for (const [name, member] of members) {
        const value =
          part === '_modules' && member === null ? undefined : this.value(member, join(path, name), depth + 1)
        if (value !== undefined && value !== null)
          throw corrupt(source, `'${join(path, name)}' of ${module.kind} is not a tensor or a module`)
      }
    }
  }
}
