import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FxError } from '@fx/core'
import { describe, expect, it } from 'vitest'
import { assemble, global, joined, little, type Part, pickled, repeated, text } from '../../test/assemble.js'
import { failure } from '../../test/fixtures.js'
import { type ByteSource, bytesSource, openCheckpoint } from '../index.js'
import { Op } from './opcodes.js'

const refusal = async (bytes: Uint8Array | ByteSource) => {
  const error = await failure(openCheckpoint(bytes))
  expect(FxError.isInstance(error), String(error.stack)).toBe(true)
  return error as FxError
}

describe('globals', () => {
  const marker = join(tmpdir(), `weights-attack-${process.pid}`)

  it.each([
    ['os', 'system'],
    ['posix', 'system'],
    ['builtins', 'eval'],
    ['builtins', 'getattr'],
    ['__builtin__', 'exec'],
    ['subprocess', 'Popen'],
    ['torch.nn.modules.linear', 'Linear'],
    ['__main__', 'Model'],
    ['constructor', 'prototype'],
    ['__proto__', 'constructor'],
  ])('refuses %s.%s by name, however it is written', async (module, name) => {
    const call: Part = [text(`touch ${marker}`), Op.TUPLE1, Op.REDUCE]
    for (const bytes of [
      pickled(global(module, name), call),
      pickled(text(module), text(name), Op.STACK_GLOBAL, call),
      pickled(Op.EMPTY_DICT, text('G'), global(module, name), Op.EMPTY_TUPLE, Op.NEWOBJ, Op.SETITEM),
    ]) {
      const error = await refusal(bytes)
      expect(error.code).toBe('unsupported')
      expect(error.message).toContain(`'${module}.${name}'`)
      expect(error.details.global).toBe(`${module}.${name}`)
    }
    expect(existsSync(marker)).toBe(false)
  })

  it('refuses what is on the list in a role that it does not have', async () => {
    const ordered = global('collections', 'OrderedDict')
    const cases: Part[][] = [
      [global('numpy', 'ndarray'), Op.EMPTY_TUPLE, Op.REDUCE],
      [global('numpy', 'dtype'), Op.EMPTY_TUPLE, Op.NEWOBJ],
      [global('numpy.core.multiarray', '_reconstruct'), ordered, Op.TUPLE1, Op.REDUCE],
      [text('os.system'), Op.EMPTY_TUPLE, Op.REDUCE],
      [ordered, Op.EMPTY_DICT, Op.BUILD],
      [ordered, Op.BININT1, 7, Op.TUPLE1, Op.REDUCE],
      [global('torch._utils', '_rebuild_tensor_v2'), Op.EMPTY_TUPLE, Op.REDUCE],
      [global('torch._utils', '_rebuild_parameter'), Op.EMPTY_TUPLE, Op.REDUCE],
      [global('torch.storage', '_load_from_bytes'), Op.NONE, Op.TUPLE1, Op.REDUCE],
      [global('torch_utils.persistence', '_reconstruct_persistent_obj'), Op.EMPTY_DICT, Op.TUPLE1, Op.REDUCE],
    ]
    for (const parts of cases) expect((await refusal(pickled(...parts))).code).toBe('corrupt-file')
  })

  it.each(['INST', 'OBJ', 'PERSID', 'EXT1', 'NEXT_BUFFER'])('refuses the operation %s by name', async name => {
    const code = { INST: 105, OBJ: 111, PERSID: 80, EXT1: 130, NEXT_BUFFER: 151 }[name]!
    expect((await refusal(pickled(Op.MARK, code))).message).toContain(name)
  })
})

describe('bounds', () => {
  it('ends a walk over references that multiply (billion laughs)', async () => {
    const laughs: Part[] = [Op.EMPTY_LIST, Op.BINPUT, 0]
    for (let level = 1; level <= 30; level++) {
      const ten = Array.from({ length: 10 }, () => [Op.BINGET, level - 1])
      laughs.push(Op.POP, Op.EMPTY_LIST, Op.BINPUT, level, Op.MARK, ...ten, Op.APPENDS)
    }
    const bytes = pickled(Op.EMPTY_DICT, text('G'), ...laughs, Op.SETITEM)
    expect((await refusal(bytes)).message).toContain('refers to the same ones too often')
  })

  it('ends a walk over networks that hold one another, and one over a module that returns again and again', async () => {
    const network = [global('dnnlib.tflib.network', 'Network'), Op.EMPTY_TUPLE, Op.NEWOBJ]
    const networks: Part[] = []
    for (let level = 0; level <= 12; level++) {
      const ten = Array.from({ length: level === 0 ? 0 : 10 }, (_, index) => [text(`${index}`), Op.BINGET, level - 1])
      const components = [text('components'), Op.EMPTY_DICT, Op.MARK, ...ten, Op.SETITEMS]
      const state = [Op.EMPTY_DICT, Op.MARK, text('variables'), Op.EMPTY_LIST, ...components, Op.SETITEMS]
      networks.push(...(level === 0 ? [] : [Op.POP]), network, Op.BINPUT, level, state, Op.BUILD)
    }
    expect((await refusal(pickled(...networks))).message).toContain('refers to the same ones too often')

    const reconstruct = global('torch_utils.persistence', '_reconstruct_persistent_obj')
    const hidden = Array.from({ length: 20_000 }, (_, index) => [text(`_${index}`), Op.NONE])
    const state = [text('state'), Op.EMPTY_DICT, Op.MARK, ...hidden, Op.SETITEMS]
    const fields = [text('type'), text('class'), text('class_name'), text('Net'), text('version'), Op.BININT1, 6]
    const module = [reconstruct, Op.EMPTY_DICT, Op.MARK, ...fields, ...state, Op.SETITEMS, Op.TUPLE1, Op.REDUCE]
    const again = Array.from({ length: 10_000 }, () => [Op.BINGET, 0])
    const list = [Op.EMPTY_LIST, Op.MARK, module, Op.BINPUT, 0, ...again, Op.APPENDS]
    expect((await refusal(pickled(Op.EMPTY_DICT, text('G'), list, Op.SETITEM))).message).toContain('too often')
  })

  it.each([
    ['open lists', Op.EMPTY_LIST],
    ['marks', Op.MARK],
    ['copies', Op.DUP],
  ])('refuses a million %s', async (_, op) => {
    const bytes = joined(assemble(Op.PROTO, 4, Op.NONE), repeated(op, 1e6), assemble(Op.STOP))
    expect((await refusal(bytes)).message).toContain('nests deeper')
  })

  it.each([
    [900_000, 'nest deeper'],
    [1_000_000, 'more objects'],
  ])('refuses lists nested %i deep without an open one', async (depth, message) => {
    const nest = [Op.BINPUT, 0, Op.POP, Op.EMPTY_LIST, Op.BINGET, 0, Op.APPEND]
    const bytes = joined(
      assemble(Op.PROTO, 4, Op.EMPTY_DICT, text('G'), Op.EMPTY_LIST),
      repeated(nest, depth),
      assemble(Op.SETITEM, Op.STOP),
    )
    expect((await refusal(bytes)).message).toContain(message)
  })

  it('refuses a list and a dict that hold themselves', async () => {
    const self = [Op.EMPTY_LIST, Op.BINPUT, 0, Op.BINGET, 0, Op.APPEND]
    expect((await refusal(pickled(Op.EMPTY_DICT, text('G'), self, Op.SETITEM))).message).toContain('nest deeper')
    const dict = [Op.EMPTY_DICT, Op.BINPUT, 0, text('G'), Op.BINGET, 0, Op.SETITEM]
    expect((await refusal(pickled(dict))).message).toContain('nest deeper')
  })

  it('refuses more objects than any checkpoint has, before memory runs out', async () => {
    const bytes = joined(assemble(Op.PROTO, 4), repeated([Op.EMPTY_DICT, Op.POP], 1_100_000), assemble(Op.STOP))
    expect((await refusal(bytes)).message).toContain('more objects')
  })

  it('refuses bytes that are made again and again', async () => {
    const long = repeated('a', 2 ** 20)
    const again = [global('_codecs', 'encode'), Op.BINGET, 0, text('latin1'), Op.TUPLE2, Op.REDUCE, Op.POP]
    const bytes = joined(
      assemble(Op.PROTO, 4, Op.BINUNICODE, little(long.length, 4)),
      long,
      assemble(Op.BINPUT, 0),
      repeated(again, 400),
      assemble(Op.STOP),
    )
    expect((await refusal(bytes)).message).toContain('more text and bytes')
  })

  it('refuses a LONG4 of 2 GiB and of a negative length', async () => {
    for (const length of [2 ** 31 - 1, 2 ** 31, 1025])
      expect((await refusal(pickled(Op.LONG4, little(length, 4)))).message).toMatch(/an integer of -?\d+ bytes/)
  })

  it('refuses a tensor that repeats one element into gigabytes', async () => {
    const view = [Op.BININT, ...little(2 ** 30, 4), Op.TUPLE1, Op.BININT1, 0, Op.TUPLE1]
    const stream = nestedStorage(1)
    const bytes = pickled(
      Op.EMPTY_DICT,
      text('G'),
      global('torch._utils', '_rebuild_tensor_v2'),
      [Op.MARK, global('torch.storage', '_load_from_bytes'), Op.SHORT_BINBYTES, stream.length, [...stream], Op.TUPLE1],
      [Op.REDUCE, Op.BININT1, 0, ...view, Op.TUPLE, Op.REDUCE],
      Op.SETITEM,
    )
    expect((await refusal(bytes)).message).toContain('repeats a storage')
  })

  it('refuses tensors with endless names', async () => {
    const data = [Op.SHORT_BINBYTES, 4, 0, 0, 0, 0]
    const dtype = [global('numpy', 'dtype'), text('f4'), Op.TUPLE1, Op.REDUCE]
    const array = [
      global('numpy.core.numeric', '_frombuffer'),
      Op.MARK,
      data,
      dtype,
      Op.EMPTY_TUPLE,
      text('C'),
      Op.TUPLE,
    ]
    const key = [Op.BINUNICODE, ...little(5000, 4), 'k'.repeat(5000)]
    const error = await refusal(pickled(Op.EMPTY_DICT, key, array, Op.REDUCE, Op.SETITEM))
    expect(error.message).toContain('a name of 5000 letters')
  })

  it('refuses a storage that nests another stream', async () => {
    const inner = legacyStream([global('torch.storage', '_load_from_bytes')], [])
    const bytes = pickled(
      global('torch.storage', '_load_from_bytes'),
      [Op.SHORT_BINBYTES, inner.length, [...inner]],
      Op.TUPLE1,
      Op.REDUCE,
    )
    expect((await refusal(bytes)).details.global).toBe('torch.storage._load_from_bytes')
  })
})

describe('truncation', () => {
  const cut: [string, Part[]][] = [
    ['a frame past the end', [Op.FRAME, little(2 ** 40, 8)]],
    ['a string past the end', [Op.BINUNICODE, little(2 ** 32 - 1, 4)]],
    ['bytes past the end', [Op.BINBYTES, little(2 ** 32 - 1, 4)]],
    ['bytes of 2^63', [Op.BINBYTES8, 0, 0, 0, 0, 0, 0, 0, 0x80]],
    ['an integer past the end', [Op.LONG1, 255]],
    ['a missing end', [Op.EMPTY_DICT, ...Array.from({ length: 20 }, () => Op.DUP)]],
  ]
  it.each(cut)('names %s', async (_, parts) => {
    const error = await refusal(assemble(Op.PROTO, 4, ...parts, nothing))
    expect(error.code).toBe('corrupt-file')
    expect(error.message).toContain('is truncated')
    expect(error.details.truncated).toBe(true)
  })

  it('never asks a source for more than it has', async () => {
    const bytes = bytesSource(pickled(Op.BINBYTES8, little(2 ** 45, 8)))
    let most = 0
    await refusal({
      ...bytes,
      read: (offset, length) => {
        most = Math.max(most, offset + length)
        return bytes.read(offset, length)
      },
    })
    expect(most).toBeLessThanOrEqual(bytes.size)
  })
})

/** Twelve operations without effect. */
const nothing: Part = Array.from({ length: 12 }, () => Op.NONE)

/** A torch.save stream of an object and storages. */
function legacyStream(object: Part[], storages: readonly [string, Uint8Array][]): Uint8Array {
  const magic = [Op.LONG1, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, Op.STOP]
  const system = [Op.EMPTY_DICT, text('little_endian'), Op.NEWTRUE, Op.SETITEM, Op.STOP]
  return assemble(
    [Op.PROTO, 2, ...magic, Op.BININT2, 0xe9, 3, Op.STOP, system, object, Op.STOP],
    [Op.MARK, ...storages.map(([key]) => text(key)), Op.LIST, Op.STOP],
    storages.flatMap(([, data]) => [...little(data.length / 4, 8), ...data]),
  )
}

function nestedStorage(elements: number): Uint8Array {
  const id = [Op.MARK, text('storage'), global('torch', 'FloatStorage'), text('0'), text('cpu'), Op.BININT1, elements]
  return legacyStream([id, Op.TUPLE, Op.BINPERSID], [['0', new Uint8Array(4 * elements)]])
}
