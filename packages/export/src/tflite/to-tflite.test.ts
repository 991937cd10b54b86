import * as tf from '@tensorflow/tfjs-core'
import * as tfl from '@tensorflow/tfjs-layers'
import { ByteBuffer } from 'flatbuffers'
import { beforeEach, describe, expect, test } from 'vitest'
import { useBackend } from '../../test/backends.js'
import { loadTflite } from '../../test/litert.js'
import { randomInput, randomiseWeights, testStudent } from '../../test/student.js'
import { exportTflite, type Graph, type GraphNode, toTflite } from '../index.js'
import { builtinOperators } from './schema.js'

const { layers } = tfl
const operatorNames = Object.fromEntries(Object.entries(builtinOperators).map(([name, code]) => [code, name]))

/** Reads a `.tflite` file by the schema's slots, with nothing of the writer. */
const readModel = (bytes: Uint8Array) => {
  const buffer = new ByteBuffer(bytes)
  const field = (table: number, slot: number): number => {
    const offset = buffer.__offset(table, 4 + 2 * slot)
    return offset === 0 ? 0 : table + offset
  }
  const int = (table: number, slot: number) => (field(table, slot) === 0 ? 0 : buffer.readInt32(field(table, slot)))
  const byte = (table: number, slot: number) => (field(table, slot) === 0 ? 0 : buffer.readInt8(field(table, slot)))
  const child = (table: number, slot: number) => buffer.__indirect(field(table, slot))
  const vector = (table: number, slot: number) => ({
    start: buffer.__vector(field(table, slot)),
    length: buffer.__vector_len(field(table, slot)),
  })
  const children = (table: number, slot: number) => {
    const { start, length } = vector(table, slot)
    return Array.from({ length }, (_, i) => buffer.__indirect(start + 4 * i))
  }
  const ints = (table: number, slot: number) => {
    const { start, length } = vector(table, slot)
    return Array.from({ length }, (_, i) => buffer.readInt32(start + 4 * i))
  }
  const text = (table: number, slot: number) => buffer.__string(field(table, slot)) as string

  const root = buffer.readInt32(0)
  const codes = children(root, 1).map(code => ({ narrow: byte(code, 0), wide: int(code, 3) }))
  const subgraphs = children(root, 2)
  const [subgraph] = subgraphs as [number]
  const signature = children(root, 7)[0]!
  const maps = (slot: number) => children(signature, slot).map(map => [text(map, 0), int(map, 1)])
  return {
    identifier: new TextDecoder().decode(bytes.subarray(4, 8)),
    version: int(root, 0),
    description: text(root, 3),
    subgraphs: subgraphs.length,
    codes,
    buffers: children(root, 4).map(table => (field(table, 0) === 0 ? undefined : vector(table, 0))),
    tensors: children(subgraph, 0).map(table => ({
      shape: ints(table, 0),
      type: byte(table, 1),
      buffer: int(table, 2),
      name: text(table, 3),
    })),
    inputs: ints(subgraph, 1),
    outputs: ints(subgraph, 2),
    operators: children(subgraph, 3).map(table => ({
      name: operatorNames[codes[int(table, 0)]!.wide],
      inputs: ints(table, 1),
      outputs: ints(table, 2),
      optionsType: byte(table, 3),
      /** Of a convolution. */
      padding: field(table, 4) === 0 ? undefined : ['same', 'valid'][byte(child(table, 4), 0)],
    })),
    signature: { key: text(signature, 2), inputs: maps(0), outputs: maps(1) },
  }
}

/** Layers applied one after the other to `[N, 8, 8, 4]`. */
const chain = (...stack: tfl.layers.Layer[]): tfl.LayersModel => {
  const inputs = tfl.input({ shape: [8, 8, 4], name: 'image' })
  const apply = (x: tfl.SymbolicTensor, layer: tfl.layers.Layer) => layer.apply(x) as tfl.SymbolicTensor
  const model = tfl.model({ inputs, outputs: stack.reduce(apply, inputs as tfl.SymbolicTensor) })
  randomiseWeights(model, 'chain')
  return model
}

const operators = async (...stack: tfl.layers.Layer[]): Promise<(string | undefined)[]> => {
  const model = chain(...stack)
  const read = readModel(await exportTflite(model))
  model.dispose()
  return read.operators.map(({ name, padding }) => (name?.includes('CONV') ? `${name} ${padding}` : name))
}

beforeEach(() => useBackend('wasm'))

test('the file follows the schema', async () => {
  const before = tf.memory().numTensors
  const model = testStudent({ width: 0.5 })
  const bytes = await exportTflite(model, { description: 'A student' })
  const { tensors, buffers, ...read } = readModel(bytes)
  expect(read).toMatchObject({ identifier: 'TFL3', version: 3, description: 'A student', subgraphs: 1 })
  for (const { narrow, wide } of read.codes) expect(narrow).toBe(wide)
  expect(read.signature).toEqual({
    key: 'serving_default',
    inputs: [['image', read.inputs[0]]],
    outputs: [[model.outputNames[0], read.outputs[0]]],
  })
  expect(tensors[read.inputs[0]!]).toMatchObject({ shape: [1, 32, 32, 3], type: 0, buffer: 0 })
  expect(tensors[read.outputs[0]!]).toMatchObject({ shape: [1, 32, 32, 3], type: 0, buffer: 0 })
  // Buffer 0 is that of what is computed; every other one is aligned and as long as its tensor.
  expect(buffers[0]).toBeUndefined()
  const constants = tensors.filter(({ buffer }) => buffer > 0)
  expect(constants).toHaveLength(buffers.length - 1)
  for (const { buffer, shape } of constants) {
    const { start, length } = buffers[buffer]!
    expect([start % 16, length]).toEqual([0, 4 * shape.reduce((product, size) => product * size, 1)])
  }
  // Every tensor without data is an input or is made before it is read.
  const known = new Set(
    [...read.inputs, ...tensors.keys()].filter(i => read.inputs.includes(i) || tensors[i]!.buffer > 0),
  )
  for (const { inputs, outputs } of read.operators) {
    for (const input of inputs) expect(known).toContain(input)
    for (const output of outputs) known.add(output)
  }
  expect(known.size).toBe(tensors.length)
  model.dispose()
  expect(tf.memory().numTensors).toBe(before)
})

test('a model of no operation is a copy', async () => {
  const model = chain(layers.dropout({ rate: 0.5 }))
  const bytes = await exportTflite(model)
  expect(readModel(bytes).operators.map(({ name }) => name)).toEqual(['RESHAPE'])
  const exported = await loadTflite(bytes)
  const input = randomInput([1, 8, 8, 4])
  expect((await exported.run([input.dataSync() as Float32Array]))[0]).toEqual(input.dataSync())
  input.dispose()
  exported.dispose()
  model.dispose()
})

describe('the operations', () => {
  const conv = (options: object = {}) => layers.conv2d({ filters: 4, kernelSize: 3, ...options })
  const zeros = (rows: [number, number], columns = rows) => layers.zeroPadding2d({ padding: [rows, columns] })

  test.each<[string, () => tfl.layers.Layer[], string[]]>([
    ['a relu is in the convolution', () => [conv({ activation: 'relu' })], ['CONV_2D valid']],
    ['a sigmoid follows it', () => [conv({ activation: 'sigmoid' })], ['CONV_2D valid', 'LOGISTIC']],
    ['zeros that `same` has are `same`', () => [zeros([0, 1]), conv({ strides: 2 })], ['CONV_2D same']],
    ['other zeros are padding', () => [zeros([1, 0]), conv({ strides: 2 })], ['PAD', 'CONV_2D valid']],
    [
      'a relu with a ceiling ends in a minimum',
      () => [conv(), layers.reLU({ maxValue: 1 })],
      ['CONV_2D valid', 'MINIMUM'],
    ],
    [
      'a global mean',
      () => [layers.globalAveragePooling2d({}), layers.dense({ units: 2 })],
      ['MEAN', 'FULLY_CONNECTED'],
    ],
  ])('%s', async (_, stack, expected) => {
    expect(await operators(...stack())).toEqual(expected)
  })

  test('a sum ends in its relu', async () => {
    const inputs = tfl.input({ shape: [8, 8, 4] })
    const sum = layers.add().apply([inputs, conv({ padding: 'same' }).apply(inputs) as tfl.SymbolicTensor])
    const model = tfl.model({ inputs, outputs: layers.reLU().apply(sum) as tfl.SymbolicTensor })
    randomiseWeights(model, 'sum')
    const bytes = await exportTflite(model)
    expect(readModel(bytes).operators.map(({ name }) => name)).toEqual(['CONV_2D', 'ADD'])
    const exported = await loadTflite(bytes)
    const input = randomInput([1, 8, 8, 4])
    const [actual] = await exported.run([input.dataSync() as Float32Array])
    const expected = tf.tidy(() => (model.predict(input) as tf.Tensor).dataSync())
    expect(Math.min(...actual!)).toBe(0)
    expect(Math.max(...actual!.map((value, i) => Math.abs(value - expected[i]!)))).toBeLessThan(1e-5)
    input.dispose()
    exported.dispose()
    model.dispose()
  })
})

test('a node of an open size is named', () => {
  const shape = [null, null, null, 3]
  const nodes: GraphNode[] = [{ name: 'image', op: 'input', inputs: [], shape }]
  const graph: Graph = { nodes, inputs: { image: 'image' }, outputs: { image: 'image' } }
  expect(() => toTflite(graph)).toThrow(
    expect.objectContaining({
      code: 'unsupported',
      message: expect.stringMatching(/'image' \(input\).*\[\?, \?, \?, 3\]/),
    }),
  )
})
