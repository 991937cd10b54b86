import type { GraphNode, NodeOf } from '../graph.js'
import { writeConvolution, writeDense, writePadding } from './convolutions.js'
import {
  addOptions,
  type BuiltinOperator,
  concatenationOptions,
  leakyReluOptions,
  maximumMinimumOptions,
  mulOptions,
  type OperatorOptions,
  pool2dOptions,
  reducerOptions,
  reshapeOptions,
  resizeBilinearOptions,
  resizeNearestOptions,
  sliceOptions,
  softmaxOptions,
  type TfliteActivation,
} from './schema.js'
import { fixedShape, type Tensor, type TfliteWriter } from './writer.js'

const ones = (rank: number): number[] => Array<number>(rank).fill(1)

/** Klambauer et al. 2017, equation 14. */
const selu = { alpha: 1.6732632423543772, scale: 1.0507009873554805 }

const unaryOperators = {
  relu: 'RELU',
  relu6: 'RELU6',
  sigmoid: 'LOGISTIC',
  tanh: 'TANH',
  elu: 'ELU',
  softmax: 'SOFTMAX',
} as const

/** One activation as several operations: each gives a tensor of the node's shape, the last one fills `output`. */
const steps = ({ name, shape }: { name: string; shape: readonly number[] }, writer: TfliteWriter) => ({
  step: (operator: BuiltinOperator, inputs: readonly Tensor[], options?: OperatorOptions): Tensor => {
    const result = writer.tensor(`${name}/${operator.toLowerCase()}`, shape)
    writer.operator(operator, inputs, result, options)
    return result
  },
  scalar: (part: string, value: number): Tensor =>
    writer.float(`${name}/${part}`, ones(shape.length), Float32Array.of(value)),
})

/** `scale * max(x, 0) + scale * alpha * (exp(min(x, 0)) - 1)`. */
const writeSelu = (node: NodeOf<'unary'>, writer: TfliteWriter, output: Tensor): void => {
  const { step, scalar } = steps({ name: node.name, shape: fixedShape(node) }, writer)
  const x = writer.of(node.inputs[0]!)
  const right = step('MUL', [step('RELU', [x]), scalar('scale', selu.scale)], mulOptions('linear'))
  const negative = step('MINIMUM', [x, scalar('zero', 0)], maximumMinimumOptions)
  const left = step('MUL', [step('ELU', [negative]), scalar('slope', selu.scale * selu.alpha)], mulOptions('linear'))
  writer.operator('ADD', [right, left], output, addOptions('linear'))
}

/** `max(x, 0) + log(1 + exp(-|x|))`, which does not overflow. */
const writeSoftplus = (node: NodeOf<'unary'>, writer: TfliteWriter, output: Tensor): void => {
  const { step, scalar } = steps({ name: node.name, shape: fixedShape(node) }, writer)
  const x = writer.of(node.inputs[0]!)
  const decay = step('EXP', [step('NEG', [step('ABS', [x])])])
  const tail = step('LOG', [step('ADD', [decay, scalar('one', 1)], addOptions('linear'))])
  writer.operator('ADD', [step('RELU', [x]), tail], output, addOptions('linear'))
}

const writeUnary = (node: NodeOf<'unary'>, writer: TfliteWriter, output: Tensor): void => {
  if (node.fn === 'selu') writeSelu(node, writer, output)
  else if (node.fn === 'softplus') writeSoftplus(node, writer, output)
  else {
    const options = node.fn === 'softmax' ? softmaxOptions : undefined
    writer.operator(unaryOperators[node.fn], [writer.of(node.inputs[0]!)], output, options)
  }
}

const writeClip = ({ name, inputs, min, max, shape }: NodeOf<'clip'>, writer: TfliteWriter, output: Tensor): void => {
  const limit = (part: string, value: number) =>
    writer.float(`${name}/${part}`, ones(shape.length), Float32Array.of(value))
  const above = writer.tensor(`${name}/above`, writer.shapeOf(inputs[0]!))
  const x = writer.of(inputs[0]!)
  if (min === 0) writer.operator('RELU', [x], above)
  else writer.operator('MAXIMUM', [x, limit('min', min)], above, maximumMinimumOptions)
  writer.operator('MINIMUM', [above, limit('max', max)], output, maximumMinimumOptions)
}

const writeAffine = (node: NodeOf<'affine'>, writer: TfliteWriter, output: Tensor): void => {
  const { name, inputs, scale, offset } = node
  const shape = fixedShape(node)
  const vector = [...ones(shape.length - 1), scale.length]
  const scaled = writer.tensor(`${name}/scaled`, shape)
  writer.operator(
    'MUL',
    [writer.of(inputs[0]!), writer.float(`${name}/scale`, vector, scale)],
    scaled,
    mulOptions('linear'),
  )
  writer.operator('ADD', [scaled, writer.float(`${name}/offset`, vector, offset)], output, addOptions('linear'))
}

/** Writes what a node computes into `output`; `activation` is that of the node's only reader, which is not written. */
export const writeBinary = (
  { inputs, fn }: NodeOf<'binary'>,
  writer: TfliteWriter,
  output: Tensor,
  activation: TfliteActivation,
): void => {
  const operands = inputs.map(name => writer.of(name))
  if (fn === 'add') writer.operator('ADD', operands, output, addOptions(activation))
  else if (fn === 'multiply') writer.operator('MUL', operands, output, mulOptions(activation))
  else writer.operator(fn === 'maximum' ? 'MAXIMUM' : 'MINIMUM', operands, output, maximumMinimumOptions)
}

type WrittenOp = Exclude<GraphNode['op'], 'input' | 'constant' | 'identity' | 'binary'>

type NodeWriter<Op extends WrittenOp> = (node: NodeOf<Op>, writer: TfliteWriter, output: Tensor) => void

const operands = ({ inputs }: GraphNode, writer: TfliteWriter): Tensor[] => inputs.map(name => writer.of(name))

const nodeWriters: { readonly [Op in WrittenOp]: NodeWriter<Op> } = {
  conv2d: writeConvolution,
  depthwiseConv2d: writeConvolution,
  dense: writeDense,
  affine: writeAffine,
  unary: writeUnary,
  clip: writeClip,
  leakyRelu: (node, writer, output) =>
    writer.operator('LEAKY_RELU', operands(node, writer), output, leakyReluOptions(node.alpha)),
  concat: (node, writer, output) =>
    writer.operator('CONCATENATION', operands(node, writer), output, concatenationOptions(node.axis)),
  resize: (node, writer, output) => {
    const inputs = [...operands(node, writer), writer.int(`${node.name}/size`, [2], node.size)]
    if (node.method === 'bilinear') writer.operator('RESIZE_BILINEAR', inputs, output, resizeBilinearOptions)
    else writer.operator('RESIZE_NEAREST_NEIGHBOR', inputs, output, resizeNearestOptions)
  },
  pad: (node, writer, output) => writePadding(writer, node, [node.rows, node.columns], output),
  crop: (node, writer, output) => {
    const begin = writer.int(`${node.name}/begin`, [4], [0, node.row, node.column, 0])
    const size = writer.int(`${node.name}/size`, [4], fixedShape(node))
    writer.operator('SLICE', [...operands(node, writer), begin, size], output, sliceOptions)
  },
  pool: (node, writer, output) => {
    const operator = node.fn === 'average' ? 'AVERAGE_POOL_2D' : 'MAX_POOL_2D'
    writer.operator(operator, operands(node, writer), output, pool2dOptions(node))
  },
  reduce: (node, writer, output) => {
    const axes = writer.int(`${node.name}/axes`, [node.axes.length], node.axes)
    const operator = node.fn === 'mean' ? 'MEAN' : 'REDUCE_MAX'
    writer.operator(operator, [...operands(node, writer), axes], output, reducerOptions(node.keepDims))
  },
  reshape: (node, writer, output) => {
    const shape = fixedShape(node)
    const target = writer.int(`${node.name}/shape`, [shape.length], shape)
    writer.operator('RESHAPE', [...operands(node, writer), target], output, reshapeOptions)
  },
}

/** Writes the operations of a node; the last one fills `output`. */
export const writeNode = (node: NodeOf<WrittenOp>, writer: TfliteWriter, output: Tensor): void => {
  const write = nodeWriters[node.op] as NodeWriter<WrittenOp>
  write(node, writer, output)
}
