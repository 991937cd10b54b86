import { type Message, message } from './protobuf.js'

/** Of TensorFlow's `DataType`. */
export const FLOAT = 1
export const INT32 = 3
export type DataType = typeof FLOAT | typeof INT32

export type AttributeValue =
  | { boolean: boolean }
  | { float: number }
  | { integer: number }
  | { integers: readonly number[] }
  | { text: string }
  | { type: number }
  | { shape: readonly number[] }
  | { tensor: { type: DataType; shape: readonly number[]; bytes: Uint8Array } }

/** A node of a TensorFlow graph. An input is another node's name, with `:1` its second output. */
export interface NodeDef {
  name: string
  operation: string
  inputs: readonly string[]
  attributes: Readonly<Record<string, AttributeValue>>
}

/** The version of TensorFlow's graphs that operations of TensorFlow 2 are at home in. */
const PRODUCER = 1882

export const TAG = 'serve'

const shapeMessage = (shape: readonly number[]): Message => {
  const result = message()
  for (const size of shape) result.message(2, message().integer(1, size))
  return result
}

const attributeMessage = (value: AttributeValue): Message => {
  if ('boolean' in value) return message().integer(5, Number(value.boolean))
  if ('float' in value) return message().float(4, value.float)
  if ('integer' in value) return message().integer(3, value.integer)
  if ('text' in value) return message().text(2, value.text)
  if ('type' in value) return message().integer(6, value.type)
  if ('shape' in value) return message().message(7, shapeMessage(value.shape))
  if ('integers' in value) {
    const list = message()
    for (const each of value.integers) list.integer(3, each)
    return message().message(1, list)
  }
  const { type, shape, bytes } = value.tensor
  return message().message(8, message().integer(1, type).message(2, shapeMessage(shape)).bytes(4, bytes))
}

const nodeMessage = ({ name, operation, inputs, attributes }: NodeDef): Message => {
  const node = message().text(1, name).text(2, operation)
  for (const input of inputs) node.text(3, input)
  for (const [key, value] of Object.entries(attributes)) {
    node.message(5, message().text(1, key).message(2, attributeMessage(value)))
  }
  return node
}

/**
 * A `saved_model.pb` with one graph under the tag `TAG` and no variables; its inputs are its placeholders. Numbers of
 * fields: saved_model.proto, meta_graph.proto, graph.proto, node_def.proto, attr_value.proto and tensor.proto of
 * TensorFlow.
 */
export const savedModel = (nodes: readonly NodeDef[]): Uint8Array => {
  const graph = message()
  for (const node of nodes) graph.message(1, nodeMessage(node))
  graph.message(4, message().integer(1, PRODUCER))
  const information = message().text(4, TAG)
  return message().integer(1, 1).message(2, message().message(1, information).message(2, graph)).finish()
}
