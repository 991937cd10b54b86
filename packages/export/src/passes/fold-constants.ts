import { FxError } from '@fx/core'
import { type GraphNode, type NodeOf, type Pass, rewritten } from '../graph.js'
import { removeDeadNodes } from './dead-nodes.js'

type Constant = NodeOf<'constant'>

const unary = {
  relu: (x: number) => Math.max(0, x),
  relu6: (x: number) => Math.min(6, Math.max(0, x)),
  sigmoid: (x: number) => 1 / (1 + Math.exp(-x)),
  tanh: Math.tanh,
} as const

const dense = (x: Float32Array, { kernel, bias }: NodeOf<'dense'>): Float32Array => {
  const units = kernel.shape[1]!
  return Float32Array.from({ length: units }, (_, unit) =>
    x.reduce((sum, value, i) => sum + value * kernel.values[i * units + unit]!, bias?.[unit] ?? 0),
  )
}

/** The values of a node that reads one constant; `undefined` where it is not of a kind that can be computed here. */
const computed = (node: GraphNode, { values }: Constant): Float32Array | undefined => {
  switch (node.op) {
    case 'dense':
      return node.activation === 'linear' ? dense(values, node) : undefined
    case 'affine':
      return values.map((value, i) => value * node.scale[i % node.scale.length]! + node.offset[i % node.scale.length]!)
    case 'unary':
      return node.fn in unary ? values.map(unary[node.fn as keyof typeof unary]) : undefined
    case 'reshape':
      return values
    default:
      return undefined
  }
}

const constant = ({ name }: GraphNode, shape: readonly (number | null)[], values: Float32Array): Constant => ({
  name,
  inputs: [],
  shape: shape.map(size => size ?? 1),
  op: 'constant',
  values,
})

/** The constant's value for each of the channels; `undefined` when it differs from place to place. */
const perChannel = ({ values }: Constant, channels: number): Float32Array | undefined => {
  if (values.length === channels) return values
  return values.length === 1 ? new Float32Array(channels).fill(values[0]!) : undefined
}

/**
 * `x * c` and `x + c` as affine maps of x, but for what changes nothing and a product with zero, which is zero. `undefined`
 * where the constant is not one value for each channel of x.
 */
const withConstant = (
  node: NodeOf<'binary'>,
  x: GraphNode,
  c: Constant,
): { nodes: GraphNode[]; as: string } | undefined => {
  const channels = x.shape.at(-1)
  const values = channels == null || x.shape.join() !== node.shape.join() ? undefined : perChannel(c, channels)
  if (values === undefined || (node.fn !== 'multiply' && node.fn !== 'add')) return undefined
  const product = node.fn === 'multiply'
  if (product && values.every(value => value === 0)) {
    const shape = x.shape.map((_, axis) => (axis === x.shape.length - 1 ? channels! : 1))
    return { nodes: [constant(node, shape, values)], as: node.name }
  }
  // An output that is an input would be the caller's own tensor.
  if (x.op !== 'input' && values.every(value => value === (product ? 1 : 0))) return { nodes: [], as: x.name }
  const scale = product ? values : new Float32Array(channels!).fill(1)
  const offset = product ? new Float32Array(channels!) : values
  const { name, shape } = node
  return { nodes: [{ name, inputs: [x.name], shape, op: 'affine', scale, offset }], as: name }
}

/**
 * Computes what depends on constants alone, and turns products and sums with them into per-channel affine maps.
 *
 * @throws FxError `unsupported` where a constant is left that a node reads.
 */
export const foldConstants: Pass = graph => {
  const folded = rewritten(graph, (node, made) => {
    const sources = node.inputs.map(name => made.get(name)!)
    const [first, second] = sources
    if (first?.op === 'constant' && sources.length === 1) {
      const values = computed(node, first)
      return values && { nodes: [constant(node, node.shape, values)], as: node.name }
    }
    if (node.op !== 'binary' || first === undefined || second === undefined) return undefined
    if (second.op === 'constant') return withConstant(node, first, second)
    return first.op === 'constant' ? withConstant(node, second, first) : undefined
  })
  const result = removeDeadNodes(folded)
  const constants = new Set(result.nodes.filter(({ op }) => op === 'constant').map(({ name }) => name))
  const reader = result.nodes.find(({ inputs }) => inputs.some(name => constants.has(name)))
  if (reader === undefined) return result
  throw new FxError('unsupported', `A frozen input cannot fold into '${reader.name}' (${reader.op})`, {
    details: { node: reader.name, op: reader.op },
  })
}
