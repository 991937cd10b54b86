import { Builder } from 'flatbuffers'
import { type BuiltinOperator, builtinOperators, type Field, type OperatorOptions } from './schema.js'

/** A tensor of the file: a constant when it has data. */
export interface TfliteTensor {
  name: string
  shape: readonly number[]
  type: 'float32' | 'int32'
  /** Little-endian, row-major. */
  data?: Uint8Array
}

/** One operation; inputs and outputs are positions in the list of tensors. */
export interface TfliteOperator {
  operator: BuiltinOperator
  inputs: readonly number[]
  outputs: readonly number[]
  options?: OperatorOptions
}

/** A model of one subgraph and one signature. */
export interface TfliteModel {
  description: string
  tensors: readonly TfliteTensor[]
  /** In an order in which they can run. */
  operators: readonly TfliteOperator[]
  /** Public name and tensor. */
  inputs: readonly (readonly [string, number])[]
  outputs: readonly (readonly [string, number])[]
}

const schemaVersion = 3
const fileIdentifier = 'TFL3'
const tensorTypes = { float32: 0, int32: 2 } as const
/** `force_align` of the schema's `Buffer.data`. */
const bufferAlignment = 16

/** Where something lies in the file, as the builder counts. */
type Offset = number

const intVector = (builder: Builder, values: readonly number[]): Offset => {
  builder.startVector(4, values.length, 4)
  for (const value of [...values].reverse()) builder.addInt32(value)
  return builder.endVector()
}

const offsetVector = (builder: Builder, offsets: readonly Offset[]): Offset => {
  builder.startVector(4, offsets.length, 4)
  for (const offset of [...offsets].reverse()) builder.addOffset(offset)
  return builder.endVector()
}

/** A table; `slots` adds its fields, in any order, each by its place in the schema. */
const table = (builder: Builder, size: number, slots: () => void): Offset => {
  builder.startObject(size)
  slots()
  return builder.endObject()
}

const addField = (builder: Builder, slot: number, field: Field): void => {
  if (field.type === 'int8') builder.addFieldInt8(slot, field.value, field.default)
  else if (field.type === 'int32') builder.addFieldInt32(slot, field.value, field.default)
  else builder.addFieldFloat32(slot, field.value, field.default)
}

const writeBuffer = (builder: Builder, data?: Uint8Array): Offset => {
  if (data === undefined) return table(builder, 1, () => {})
  // The file is built from its end: the padding goes behind the data.
  builder.prep(bufferAlignment, data.length)
  const vector = builder.createByteVector(data)
  return table(builder, 1, () => builder.addFieldOffset(0, vector, 0))
}

const writeTensor = (builder: Builder, { name, shape, type }: TfliteTensor, buffer: number): Offset => {
  const dimensions = intVector(builder, shape)
  const label = builder.createString(name)
  return table(builder, 4, () => {
    builder.addFieldOffset(0, dimensions, 0)
    builder.addFieldInt8(1, tensorTypes[type], 0)
    builder.addFieldInt32(2, buffer, 0)
    builder.addFieldOffset(3, label, 0)
  })
}

const writeOperatorCode = (builder: Builder, operator: BuiltinOperator): Offset =>
  table(builder, 4, () => {
    // Readers older than the wide field look in the narrow one.
    builder.addFieldInt8(0, builtinOperators[operator], 0)
    builder.addFieldInt32(3, builtinOperators[operator], 0)
  })

const writeOperator = (builder: Builder, operator: TfliteOperator, codes: readonly BuiltinOperator[]): Offset => {
  const { inputs, outputs, options } = operator
  const from = intVector(builder, inputs)
  const to = intVector(builder, outputs)
  const given =
    options &&
    table(builder, options.fields.length, () => {
      for (const [slot, field] of options.fields.entries()) addField(builder, slot, field)
    })
  return table(builder, 5, () => {
    builder.addFieldInt32(0, codes.indexOf(operator.operator), 0)
    builder.addFieldOffset(1, from, 0)
    builder.addFieldOffset(2, to, 0)
    if (options === undefined || given === undefined) return
    builder.addFieldInt8(3, options.type, 0)
    builder.addFieldOffset(4, given, 0)
  })
}

const writeSubgraph = (builder: Builder, model: TfliteModel, tensors: Offset, operators: Offset): Offset => {
  const inputs = intVector(
    builder,
    model.inputs.map(([, tensor]) => tensor),
  )
  const outputs = intVector(
    builder,
    model.outputs.map(([, tensor]) => tensor),
  )
  const name = builder.createString('main')
  return table(builder, 5, () => {
    builder.addFieldOffset(0, tensors, 0)
    builder.addFieldOffset(1, inputs, 0)
    builder.addFieldOffset(2, outputs, 0)
    builder.addFieldOffset(3, operators, 0)
    builder.addFieldOffset(4, name, 0)
  })
}

/** The names by which callers know inputs and outputs. */
const writeSignature = (builder: Builder, { inputs, outputs }: TfliteModel): Offset => {
  const maps = (entries: TfliteModel['inputs']) =>
    offsetVector(
      builder,
      entries.map(([name, tensor]) => {
        const label = builder.createString(name)
        return table(builder, 2, () => {
          builder.addFieldOffset(0, label, 0)
          builder.addFieldInt32(1, tensor, 0)
        })
      }),
    )
  const from = maps(inputs)
  const to = maps(outputs)
  const key = builder.createString('serving_default')
  return table(builder, 5, () => {
    builder.addFieldOffset(0, from, 0)
    builder.addFieldOffset(1, to, 0)
    builder.addFieldOffset(2, key, 0)
  })
}

/** The bytes of a `.tflite` file: flatbuffer of the schema's version 3, identifier `TFL3`, data aligned to 16 bytes. */
export const writeModelFile = (model: TfliteModel): Uint8Array => {
  const { tensors, operators } = model
  const bytes = tensors.reduce((total, { data }) => total + (data?.length ?? 0), 0)
  const builder = new Builder(bytes + 256 * (tensors.length + operators.length) + 1024)
  // Buffer 0 is that of all tensors without data.
  const constants = tensors.filter(({ data }) => data !== undefined)
  const buffers = offsetVector(
    builder,
    [undefined, ...constants.map(({ data }) => data)].map(data => writeBuffer(builder, data)),
  )
  const tensorTable = offsetVector(
    builder,
    tensors.map(tensor => writeTensor(builder, tensor, constants.indexOf(tensor) + 1)),
  )
  const codes = [...new Set(operators.map(({ operator }) => operator))]
  const operatorTable = offsetVector(
    builder,
    operators.map(operator => writeOperator(builder, operator, codes)),
  )
  const codeTable = offsetVector(
    builder,
    codes.map(code => writeOperatorCode(builder, code)),
  )
  const subgraphs = offsetVector(builder, [writeSubgraph(builder, model, tensorTable, operatorTable)])
  const signatures = offsetVector(builder, [writeSignature(builder, model)])
  const description = builder.createString(model.description)
  const root = table(builder, 8, () => {
    builder.addFieldInt32(0, schemaVersion, 0)
    builder.addFieldOffset(1, codeTable, 0)
    builder.addFieldOffset(2, subgraphs, 0)
    builder.addFieldOffset(3, description, 0)
    builder.addFieldOffset(4, buffers, 0)
    builder.addFieldOffset(7, signatures, 0)
  })
  builder.finish(root, fileIdentifier)
  return builder.asUint8Array().slice()
}
