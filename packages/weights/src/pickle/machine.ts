import { corrupt, unsupported } from '../errors.js'
import type { ByteSource } from '../source.js'
import type { ByteCursor } from './cursor.js'
import { argumentBytes, Op, opName } from './opcodes.js'
import { readFloatLine, readIntegerLine, readLine, readLong, readText, unescapeUnicode } from './primitives.js'
import { PickleStack } from './stack.js'
import {
  type Budget,
  describe,
  type GlobalSpec,
  INLINE_BYTES,
  type Machine,
  PyBytes,
  PyGlobal,
  PyOpaque,
  PyTuple,
  type PyValue,
} from './values.js'

/** What a pickle may name, and what its persistent ids mean. */
export interface PickleContext {
  /** The allow-list, by `module.name`. */
  readonly globals: ReadonlyMap<string, GlobalSpec>
  /** BINPERSID; without it a pickle with persistent ids is refused. */
  readonly persistent?: (id: PyValue, machine: Machine) => PyValue
}

/**
 * Runs one pickle of protocol 0 to 5 and leaves the cursor behind its STOP. The machine only builds plain data and what
 * the allow-list knows; it never imports, calls or evaluates anything of Python.
 *
 * @throws FxError `unsupported` for a global that is not on the list (named) and for what exceeds the budget;
 * `corrupt-file` for everything that is not a pickle, with `details.truncated` when it ends too early.
 */
export const runPickle = async (cursor: ByteCursor, context: PickleContext, budget: Budget): Promise<PyValue> => {
  const { source } = cursor
  const machine = machineOf(source, budget, cursor)
  const stack = new PickleStack(machine)
  const memo = new Map<number, PyValue>()

  const made = <T extends PyValue>(value: T): T => {
    machine.charge(1)
    return value
  }
  const put = (index: number): void => {
    if (--budget.memos < 0) throw machine.unsupported('its pickles remember more values than any checkpoint does')
    memo.set(index, stack.top())
  }
  const get = (index: number): void => {
    const value = memo.get(index)
    if (value === undefined) throw machine.corrupt(`its pickle recalls memo ${index}, which it never set`)
    stack.push(value)
  }
  const bytes = async (length: number, what: string): Promise<PyBytes> => {
    const { position } = cursor
    machine.charge(1)
    if (length > INLINE_BYTES) {
      cursor.skip(length, what)
      return new PyBytes(source, position, length)
    }
    if (!cursor.has(length)) await cursor.fill(length, what)
    machine.chargeBytes(length)
    return new PyBytes(source, position, length, cursor.take(length).slice())
  }
  const global = (module: PyValue, name: PyValue): PyGlobal => {
    if (typeof module !== 'string' || typeof name !== 'string')
      throw machine.corrupt(`it names a global by ${describe(module)} and ${describe(name)}`)
    const full = `${module}.${name}`
    const spec = context.globals.get(full)
    if (!spec)
      throw unsupported(
        source,
        `its pickle names '${full.slice(0, 200)}', which is not on the list of what a checkpoint may hold; nothing of it was run`,
        { global: full.slice(0, 200) },
      )
    return made(new PyGlobal(full, spec))
  }
  const set = (target: PyValue, pairs: readonly PyValue[]): void => {
    if (!(target instanceof Map)) throw machine.corrupt(`its pickle sets an item of ${describe(target)}`)
    if (pairs.length % 2 !== 0) throw machine.corrupt('its pickle sets an item without a value')
    for (let i = 0; i < pairs.length; i += 2) target.set(key(pairs[i]!), pairs[i + 1]!)
  }
  const key = (value: PyValue): PyValue => {
    if (typeof value === 'object' && value !== null)
      throw machine.unsupported(`its pickle uses ${describe(value)} as a key`)
    return value
  }
  const append = (target: PyValue, values: readonly PyValue[]): void => {
    if (!Array.isArray(target)) throw machine.corrupt(`its pickle appends to ${describe(target)}`)
    for (const value of values) target.push(value)
  }
  const create = (target: PyValue, args: readonly PyValue[]): PyValue => {
    if (!(target instanceof PyGlobal) || !target.spec.create)
      throw machine.corrupt(`its pickle makes an instance of ${describe(target)}`)
    return made(target.spec.create(args, machine))
  }

  for (;;) {
    if (!cursor.has(1)) await cursor.fill(1, 'the next operation of its pickle')
    const code = cursor.uint8()
    if (--budget.operations < 0) throw machine.unsupported('its pickles have more operations than any checkpoint does')
    const argument = argumentBytes[code]!
    if (argument > 0 && !cursor.has(argument)) await cursor.fill(argument, opName(code)!)
    switch (code) {
      case Op.PROTO: {
        const protocol = cursor.uint8()
        if (protocol > 5) throw machine.unsupported(`its pickle has protocol ${protocol}; 0 to 5 are read`)
        break
      }
      case Op.FRAME: {
        const length = cursor.uint64()
        if (length > cursor.left) cursor.skip(length, 'a frame of its pickle')
        break
      }
      case Op.STOP:
        return stack.pop()
      case Op.MARK:
        stack.mark()
        break
      case Op.POP:
        stack.drop()
        break
      case Op.POP_MARK:
        stack.popMark()
        break
      case Op.DUP:
        stack.push(stack.top())
        break
      case Op.NONE:
        stack.push(null)
        break
      case Op.NEWTRUE:
        stack.push(true)
        break
      case Op.NEWFALSE:
        stack.push(false)
        break
      case Op.BININT:
        stack.push(cursor.int32())
        break
      case Op.BININT1:
        stack.push(cursor.uint8())
        break
      case Op.BININT2:
        stack.push(cursor.uint16())
        break
      case Op.BINFLOAT:
        stack.push(cursor.float64BigEndian())
        break
      case Op.LONG1:
        stack.push(await readLong(cursor, cursor.uint8(), machine))
        break
      case Op.LONG4:
        stack.push(await readLong(cursor, cursor.int32(), machine))
        break
      case Op.INT:
        stack.push(readIntegerLine(await readLine(cursor, machine), machine, true))
        break
      case Op.LONG:
        stack.push(readIntegerLine(await readLine(cursor, machine), machine, false))
        break
      case Op.FLOAT:
        stack.push(readFloatLine(await readLine(cursor, machine), machine))
        break
      case Op.UNICODE:
        stack.push(unescapeUnicode(await readLine(cursor, machine)))
        break
      case Op.SHORT_BINUNICODE:
        stack.push(await readText(cursor, cursor.uint8(), machine, 'utf-8'))
        break
      case Op.BINUNICODE:
        stack.push(await readText(cursor, cursor.uint32(), machine, 'utf-8'))
        break
      case Op.BINUNICODE8:
        stack.push(await readText(cursor, cursor.uint64(), machine, 'utf-8'))
        break
      // A Python 2 `str`: text or bytes, told apart by who takes it.
      case Op.SHORT_BINSTRING:
        stack.push(await readText(cursor, cursor.uint8(), machine, 'latin1'))
        break
      case Op.BINSTRING:
        stack.push(await readText(cursor, cursor.uint32(), machine, 'latin1'))
        break
      case Op.SHORT_BINBYTES:
        stack.push(await bytes(cursor.uint8(), 'a byte string'))
        break
      case Op.BINBYTES:
        stack.push(await bytes(cursor.uint32(), 'a byte string'))
        break
      case Op.BINBYTES8:
      case Op.BYTEARRAY8:
        stack.push(await bytes(cursor.uint64(), 'a byte string'))
        break
      case Op.EMPTY_TUPLE:
        stack.push(made(new PyTuple([])))
        break
      case Op.TUPLE1:
        stack.push(made(new PyTuple([stack.pop()])))
        break
      case Op.TUPLE2: {
        const second = stack.pop()
        stack.push(made(new PyTuple([stack.pop(), second])))
        break
      }
      case Op.TUPLE3: {
        const third = stack.pop()
        const second = stack.pop()
        stack.push(made(new PyTuple([stack.pop(), second, third])))
        break
      }
      case Op.TUPLE:
        stack.push(made(new PyTuple(stack.popMark())))
        break
      case Op.EMPTY_LIST:
        stack.push(made([]))
        break
      case Op.LIST:
        stack.push(made(stack.popMark()))
        break
      case Op.APPEND: {
        const value = stack.pop()
        append(stack.top(), [value])
        break
      }
      case Op.APPENDS: {
        const values = stack.popMark()
        append(stack.top(), values)
        break
      }
      case Op.EMPTY_DICT:
        stack.push(made(new Map()))
        break
      case Op.DICT: {
        const dict = made(new Map<PyValue, PyValue>())
        set(dict, stack.popMark())
        stack.push(dict)
        break
      }
      case Op.SETITEM: {
        const value = stack.pop()
        const name = stack.pop()
        set(stack.top(), [name, value])
        break
      }
      case Op.SETITEMS: {
        const pairs = stack.popMark()
        set(stack.top(), pairs)
        break
      }
      case Op.EMPTY_SET:
        stack.push(made(new Set()))
        break
      case Op.FROZENSET:
        stack.push(made(new Set(stack.popMark().map(key))))
        break
      case Op.ADDITEMS: {
        const values = stack.popMark()
        const target = stack.top()
        if (!(target instanceof Set)) throw machine.corrupt(`its pickle adds items to ${describe(target)}`)
        for (const value of values) target.add(key(value))
        break
      }
      case Op.BINPUT:
        put(cursor.uint8())
        break
      case Op.LONG_BINPUT:
        put(cursor.uint32())
        break
      case Op.PUT:
        put(Number(readIntegerLine(await readLine(cursor, machine), machine, false)))
        break
      case Op.MEMOIZE:
        put(memo.size)
        break
      case Op.BINGET:
        get(cursor.uint8())
        break
      case Op.LONG_BINGET:
        get(cursor.uint32())
        break
      case Op.GET:
        get(Number(readIntegerLine(await readLine(cursor, machine), machine, false)))
        break
      case Op.GLOBAL: {
        const module = await readLine(cursor, machine)
        stack.push(global(module, await readLine(cursor, machine)))
        break
      }
      case Op.STACK_GLOBAL: {
        const name = stack.pop()
        stack.push(global(stack.pop(), name))
        break
      }
      case Op.REDUCE: {
        const args = stack.tuple()
        const callee = stack.pop()
        if (!(callee instanceof PyGlobal) || !callee.spec.call)
          throw machine.corrupt(`its pickle calls ${describe(callee)}`)
        stack.push(made(await callee.spec.call(args, machine)))
        break
      }
      case Op.NEWOBJ: {
        const args = stack.tuple()
        stack.push(create(stack.pop(), args))
        break
      }
      case Op.NEWOBJ_EX: {
        const keywords = stack.pop()
        if (!(keywords instanceof Map) || keywords.size > 0)
          throw machine.unsupported('its pickle makes an instance with keyword arguments')
        const args = stack.tuple()
        stack.push(create(stack.pop(), args))
        break
      }
      case Op.BUILD: {
        const state = stack.pop()
        const target = stack.top()
        // Attributes of a dict (torch's `_metadata` of a state dict) are nothing that a reader wants.
        if (target instanceof Map) break
        if (!(target instanceof PyOpaque) || !target.build)
          throw machine.corrupt(`its pickle gives state to ${describe(target)}`)
        target.build(state, machine)
        break
      }
      case Op.BINPERSID: {
        if (!context.persistent) throw machine.unsupported('its pickle refers to data outside of itself')
        stack.push(made(context.persistent(stack.pop(), machine)))
        break
      }
      default: {
        const name = opName(code)
        if (name) throw machine.unsupported(`its pickle uses the operation ${name}, which no checkpoint needs`)
        throw machine.corrupt(`its pickle has the unknown operation 0x${code.toString(16).padStart(2, '0')}`)
      }
    }
  }
}

const machineOf = (source: ByteSource, budget: Budget, cursor: ByteCursor): Machine => {
  const machine: Machine = {
    source,
    budget,
    charge: objects => {
      budget.objects -= objects
      if (budget.objects < 0) throw machine.unsupported('its pickles hold more objects than any checkpoint does')
    },
    chargeBytes: bytes => {
      budget.bytes -= bytes
      if (budget.bytes < 0) throw machine.unsupported('its pickles hold more text and bytes than any checkpoint does')
    },
    corrupt: problem => corrupt(source, `${problem} (before byte ${cursor.position})`, { offset: cursor.position }),
    unsupported: problem =>
      unsupported(source, `${problem} (before byte ${cursor.position})`, { offset: cursor.position }),
  }
  return machine
}
