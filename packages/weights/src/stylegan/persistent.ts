import { describe, type GlobalSpec, PyBytes, PyOpaque, type PyValue } from '../pickle/values.js'
import { TorchStorage } from '../torch/globals.js'
import { readLegacyStream } from '../torch/legacy.js'

/** A module of StyleGAN2-ADA or StyleGAN3: its class by name and its state. Its source text is dropped unread. */
export class PersistentObject extends PyOpaque {
  readonly kind: string
  constructor(
    readonly className: string,
    readonly state: Map<PyValue, PyValue>,
  ) {
    super()
    this.kind = `a ${className}`
  }
}

/**
 * `torch_utils.persistence._reconstruct_persistent_obj(meta)`: NVIDIA's way to pickle a module together with the Python
 * that defines it. Only the class name and the state are taken.
 */
const reconstruct: GlobalSpec = {
  call: ([meta], machine) => {
    if (!(meta instanceof Map)) throw machine.corrupt(`a persistent object is described by ${describe(meta ?? null)}`)
    const name = meta.get('class_name')
    const state = meta.get('state')
    const version = meta.get('version')
    if (meta.get('type') !== 'class' || typeof name !== 'string' || !(state instanceof Map))
      throw machine.corrupt('a persistent object lacks its class name or state')
    if (version !== 6)
      throw machine.unsupported(`a persistent object has version ${describe(version ?? null)}; 6 is read`)
    return new PersistentObject(name, state)
  },
}

/** What a storage inside of a pickle may name. A stream within a stream is nothing that torch writes. */
const nestedGlobals = (globals: ReadonlyMap<string, GlobalSpec>): ReadonlyMap<string, GlobalSpec> =>
  new Map([...globals].filter(([name]) => name.endsWith('Storage')))

/** The globals of NVIDIA's PyTorch pickles, whose storages are streams of torch.save inside of byte strings. */
export const persistentGlobals = (
  torch: ReadonlyMap<string, GlobalSpec>,
): readonly (readonly [string, GlobalSpec])[] => {
  const globals = nestedGlobals(torch)
  const loadFromBytes: GlobalSpec = {
    call: async ([bytes], machine) => {
      if (!(bytes instanceof PyBytes)) throw machine.corrupt(`a storage is made of ${describe(bytes ?? null)}`)
      const stream = { globals, budget: machine.budget, windowBytes: 1024 }
      const storage = await readLegacyStream({
        ...stream,
        source: bytes.source,
        start: bytes.offset,
        end: bytes.offset + bytes.length,
      })
      if (!(storage instanceof TorchStorage)) throw machine.corrupt(`a storage turned out to be ${describe(storage)}`)
      return storage
    },
  }
  return [
    ['torch_utils.persistence._reconstruct_persistent_obj', reconstruct],
    ['torch.storage._load_from_bytes', loadFromBytes],
  ]
}
