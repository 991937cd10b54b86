import type { ByteSource } from '../source.js'

/** A Python tuple. */
export class PyTuple {
  constructor(readonly items: readonly PyValue[]) {}
}

/** Python bytes: a range of the file, in memory only when short. */
export class PyBytes {
  constructor(
    readonly source: ByteSource,
    readonly offset: number,
    readonly length: number,
    /** The bytes themselves, when there are at most `INLINE_BYTES`. */
    readonly inline?: Uint8Array,
  ) {}
}

/** What a global on the allow-list may do. A global without `call` cannot be called, one without `create` not made. */
export interface GlobalSpec {
  /** REDUCE: the function applied to its arguments. */
  readonly call?: (args: readonly PyValue[], machine: Machine) => PyValue | Promise<PyValue>
  /** NEWOBJ: a new, empty instance. */
  readonly create?: (args: readonly PyValue[], machine: Machine) => PyValue
}

/** A global of the allow-list, by its Python name; holds no Python. */
export class PyGlobal {
  constructor(
    readonly name: string,
    readonly spec: GlobalSpec,
  ) {}
}

/** A value that a global of the allow-list made: a tensor, a storage, an array, a module. */
export abstract class PyOpaque {
  /** What error messages call it. */
  abstract readonly kind: string
  /** BUILD: takes the state, when this kind has one. */
  build?(state: PyValue, machine: Machine): void
}

/** An instance of an allow-listed plain class: its attributes by name. */
export class PyInstance extends PyOpaque {
  readonly attributes = new Map<PyValue, PyValue>()
  constructor(readonly kind: string) {
    super()
  }
  override build(state: PyValue, machine: Machine): void {
    if (!(state instanceof Map)) throw machine.corrupt(`the state of ${this.kind} is ${describe(state)}, not a dict`)
    machine.charge(state.size)
    for (const [key, value] of state) this.attributes.set(key, value)
  }
}

/** What a pickle can hold: lists are arrays, dicts are Maps (a key such as `__proto__` is a key like any other). */
export type PyValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | PyTuple
  | PyBytes
  | PyGlobal
  | PyOpaque
  | PyValue[]
  | Map<PyValue, PyValue>
  | Set<PyValue>

/** What globals see of the machine that runs them. */
export interface Machine {
  readonly source: ByteSource
  readonly budget: Budget
  /** Counts objects against the budget. */
  charge(objects: number): void
  /** Counts bytes against the budget. */
  chargeBytes(bytes: number): void
  corrupt(problem: string): Error
  unsupported(problem: string): Error
}

/** Bytes up to this length are read at once: scalars, byte orders, short keys. */
export const INLINE_BYTES = 1024

/**
 * What one checkpoint may cost, over all its pickles. The largest checkpoints that are read here stay far below (a
 * StyleGAN2 of 1024 pixels: 30,000 operations); without bounds a file of a megabyte of one-byte operations could ask for
 * gigabytes.
 */
export class Budget {
  operations = 20_000_000
  objects = 1_000_000
  memos = 4_000_000
  bytes = 256 * 2 ** 20
}

/** A value in an error message. */
export const describe = (value: PyValue): string => {
  if (value === null) return 'None'
  if (typeof value === 'string') return `'${value.slice(0, 80)}'`
  if (typeof value !== 'object') return String(value).slice(0, 80)
  if (value instanceof PyTuple) return `a tuple of ${value.items.length}`
  if (value instanceof PyBytes) return `${value.length} bytes`
  if (value instanceof PyGlobal) return value.name
  if (value instanceof PyOpaque) return value.kind
  if (value instanceof Map) return 'a dict'
  if (value instanceof Set) return 'a set'
  return 'a list'
}
