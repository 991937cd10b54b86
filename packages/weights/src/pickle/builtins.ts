import { describe, type GlobalSpec, PyInstance, PyTuple, type PyValue } from './values.js'

const pairOf = (value: PyValue): readonly PyValue[] | undefined =>
  value instanceof PyTuple ? value.items : Array.isArray(value) ? value : undefined

/** A dict class: `OrderedDict()`, the `OrderedDict([[key, value], ...])` of old files, or an empty instance. */
const dictClass: GlobalSpec = {
  create: () => new Map(),
  call: (args, machine) => {
    const dict = new Map<PyValue, PyValue>()
    const items = args[0] ?? []
    if (!Array.isArray(items)) throw machine.corrupt(`a dict is made of ${describe(items)}`)
    machine.charge(items.length)
    for (const item of items) {
      const [key, value] = pairOf(item) ?? []
      if (typeof key !== 'string' || value === undefined) throw machine.corrupt(`a dict is made of ${describe(item)}`)
      dict.set(key, value)
    }
    return dict
  },
}

const setClass: GlobalSpec = {
  call: ([items = []], machine) => {
    if (!Array.isArray(items) || items.some(item => typeof item === 'object' && item !== null))
      throw machine.corrupt(`a set is made of ${describe(items)}`)
    machine.charge(items.length)
    return new Set(items)
  },
}

/** A class whose instances are their attributes and nothing else. */
export const plainClass = (name: string): GlobalSpec => ({ create: () => new PyInstance(name) })

/** Python's own containers, and NVIDIA's dict with attributes. */
export const builtinGlobals: readonly (readonly [string, GlobalSpec])[] = [
  ['collections.OrderedDict', dictClass],
  ['dnnlib.util.EasyDict', dictClass],
  ['builtins.set', setClass],
  ['__builtin__.set', setClass],
  ['argparse.Namespace', plainClass('argparse.Namespace')],
]
