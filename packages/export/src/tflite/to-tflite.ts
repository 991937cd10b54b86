import { type Graph, type GraphNode, nodeNamed, useCounts } from '../graph.js'
import { type TfliteModel, type TfliteOperator, type TfliteTensor, writeModelFile } from './model-file.js'
import { writeBinary, writeNode } from './operators.js'
import { reshapeOptions, type TfliteActivation } from './schema.js'
import { fixedShape, type TfliteWriter } from './writer.js'

export interface TfliteOptions {
  /** A sentence about the model, kept in the file. Default: who has written it. */
  description?: string
}

/** Collects the tensors and operations of a file. */
const createFile = () => {
  const tensors: TfliteTensor[] = []
  const operators: TfliteOperator[] = []
  const byNode = new Map<string, number>()
  const add = (tensor: TfliteTensor): number => tensors.push(tensor) - 1
  const writer: TfliteWriter = {
    of: name => byNode.get(name)!,
    shapeOf: name => [...tensors[byNode.get(name)!]!.shape],
    tensor: (name, shape) => add({ name, shape, type: 'float32' }),
    float: (name, shape, values) =>
      add({ name, shape, type: 'float32', data: new Uint8Array(Float32Array.from(values).buffer) }),
    int: (name, shape, values) =>
      add({ name, shape, type: 'int32', data: new Uint8Array(Int32Array.from(values).buffer) }),
    operator: (operator, inputs, output, options) => {
      operators.push({ operator, inputs, outputs: [output], options })
    },
  }
  return { tensors, operators, byNode, writer }
}

/** The activations that sums and products can end in, each by the name of the node that it ends. */
const activationsAfter = (graph: Graph): Map<string, { activation: TfliteActivation; reader: GraphNode }> => {
  const uses = useCounts(graph)
  const nodes = new Map(graph.nodes.map(node => [node.name, node]))
  const found = new Map<string, { activation: TfliteActivation; reader: GraphNode }>()
  for (const reader of graph.nodes) {
    if (reader.op !== 'unary' || (reader.fn !== 'relu' && reader.fn !== 'relu6')) continue
    const producer = nodes.get(reader.inputs[0]!)!
    if (producer.op !== 'binary' || uses.get(producer.name) !== 1) continue
    if (producer.fn === 'add' || producer.fn === 'multiply') found.set(producer.name, { activation: reader.fn, reader })
  }
  return found
}

const toModel = (graph: Graph, description: string): TfliteModel => {
  const { tensors, operators, byNode, writer } = createFile()
  const fused = activationsAfter(graph)
  for (const node of graph.nodes) {
    const { name } = node
    if (byNode.has(name)) continue
    if (node.op === 'identity') {
      byNode.set(name, writer.of(node.inputs[0]!))
      continue
    }
    const shape = fixedShape(node)
    if (node.op === 'constant') {
      byNode.set(name, writer.float(name, shape, node.values))
      continue
    }
    const after = fused.get(name)
    const output = writer.tensor(after?.reader.name ?? name, shape)
    if (node.op === 'binary') writeBinary(node, writer, output, after?.activation ?? 'linear')
    else if (node.op !== 'input') writeNode(node, writer, output)
    byNode.set(name, output)
    if (after !== undefined) byNode.set(after.reader.name, output)
  }
  const inputs = Object.entries(graph.inputs).map(([key, name]) => [key, writer.of(name)] as const)
  const computed = new Set(operators.flatMap(({ outputs }) => outputs))
  const outputs = Object.entries(graph.outputs).map(([key, name]) => {
    const tensor = writer.of(name)
    if (computed.has(tensor)) return [key, tensor] as const
    // An output must be the result of an operation.
    const { shape } = tensors[tensor]!
    const copy = writer.tensor(`${name}/copy`, shape)
    writer.operator('RESHAPE', [tensor, writer.int(`${name}/copy_shape`, [shape.length], shape)], copy, reshapeOptions)
    return [key, copy] as const
  })
  return { description, tensors, operators, inputs, outputs }
}

/**
 * Writes a graph as a TensorFlow Lite file: float32, for one picture, inputs NHWC, with a signature `serving_default` that
 * has the graph's public names. LiteRT runs it, in the browser through `@litertjs/core`. Makes no tensor.
 *
 * @throws FxError `unsupported` naming a node of which another size than the batch's is open.
 */
export const toTflite = (graph: Graph, { description = 'Written by @fx/export' }: TfliteOptions = {}): Uint8Array => {
  for (const name of Object.values({ ...graph.inputs, ...graph.outputs })) nodeNamed(graph, name)
  return writeModelFile(toModel(graph, description))
}
