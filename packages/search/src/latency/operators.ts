import { type SeededRandom, seededRandom } from '@fx/core'
import type { Constant, Graph, GraphNode, Shape } from '@fx/export'

/** What makes an operator take time, beside its kind. All are counts for one image, none can be negative. */
export const features = ['call', 'macs', 'paddedMacs', 'inputs', 'outputs', 'weights', 'sigmoids'] as const
export type Features = Record<(typeof features)[number], number>

/** One node of an exported graph, as far as its duration goes. */
export interface Operator {
  /** What is computed by one kernel: `conv 1x1`, `depthwise 3x3 /2`, `add`, `resize bilinear`, ... */
  kind: string
  features: Features
  node: GraphNode
  /** Shapes of what the node reads, of one image. */
  inputs: readonly (readonly number[])[]
}

const product = (values: readonly number[]): number => values.reduce((a, b) => a * b, 1)

/** The shape for one image. */
const concrete = (shape: Shape): number[] => shape.map(size => size ?? 1)

/** Vector kernels compute whole groups of channels, so a few channels more may cost nothing. */
const LANES = 8

const strided = ([rows, columns]: readonly number[]): string => {
  if (rows === 1 && columns === 1) return ''
  return rows === columns ? ` /${rows}` : ` /${rows}x${columns}`
}

const kindOf = (node: GraphNode, inputs: readonly (readonly number[])[]): string => {
  switch (node.op) {
    case 'conv2d':
    case 'depthwiseConv2d': {
      const [height, width] = node.filter.shape
      const dilated = node.dilations.some(each => each > 1) ? ' dilated' : ''
      return `${node.op === 'conv2d' ? 'conv' : 'depthwise'} ${height}x${width}${strided(node.strides)}${dilated}`
    }
    case 'unary':
      return node.fn
    case 'binary': {
      // Operands of different shapes take another way through most engines.
      const alike = inputs.every(shape => product(shape) === product(node.shape.map(size => size ?? 1)))
      return alike ? node.fn : `${node.fn} broadcast`
    }
    case 'resize':
      return `resize ${node.method}`
    case 'pool':
      // A window as large as the picture is a mean, and is not computed like a sliding one.
      return node.shape[1] === 1 && node.shape[2] === 1
        ? `${node.fn} pool to 1x1`
        : `${node.fn} pool ${node.size.join('x')}`
    case 'reduce':
      return `reduce ${node.fn}`
    default:
      return node.op
  }
}

const featuresOf = (node: GraphNode, inputs: readonly (readonly number[])[]): Features => {
  const shape = concrete(node.shape)
  const outputs = product(shape)
  const counted: Features = {
    call: 1,
    macs: 0,
    paddedMacs: 0,
    inputs: inputs.reduce((sum, input) => sum + product(input), 0),
    outputs,
    weights: 0,
    sigmoids: 0,
  }
  if (node.op === 'conv2d' || node.op === 'depthwiseConv2d' || node.op === 'dense') {
    const kernel = node.op === 'dense' ? node.kernel.shape : node.filter.shape
    const channels = shape.at(-1)!
    const pixels = outputs / channels
    counted.weights = product(kernel)
    counted.macs = pixels * product(kernel)
    counted.paddedMacs = (counted.macs / channels) * LANES * Math.ceil(channels / LANES)
    if (node.activation === 'sigmoid') counted.sigmoids = outputs
  } else if (node.op === 'pool') counted.macs = outputs * product(node.size)
  return counted
}

/** Inputs and constants are there before a graph runs. */
const free: readonly GraphNode['op'][] = ['input', 'constant']

/** Everything that a graph computes for one image, in its order. */
export const operatorsOf = (graph: Graph): Operator[] => {
  const shapes = new Map(graph.nodes.map(node => [node.name, concrete(node.shape)]))
  return graph.nodes
    .filter(node => !free.includes(node.op))
    .map(node => {
      const inputs = node.inputs.map(name => shapes.get(name)!)
      return { kind: kindOf(node, inputs), features: featuresOf(node, inputs), node, inputs }
    })
}

/** Equal for operators that cannot take different times. */
export const signatureOf = ({ kind, features, node, inputs }: Operator): string => {
  const activation = 'activation' in node ? node.activation : ''
  const padding = 'padding' in node ? node.padding : ''
  return JSON.stringify([kind, activation, padding, inputs, node.shape, features])
}

type Refill = (size: number, fanIn: number) => Float32Array

const refilled = (node: GraphNode, values: Refill): GraphNode => {
  const constant = ({ shape }: Constant): Constant => ({
    shape,
    values: values(product(shape), product(shape.slice(0, -1))),
  })
  const vector = (each: Float32Array | null): Float32Array | null => each && values(node.shape.at(-1)!, 1)
  switch (node.op) {
    case 'conv2d':
    case 'depthwiseConv2d':
      return { ...node, filter: constant(node.filter), bias: vector(node.bias) }
    case 'dense':
      return { ...node, kernel: constant(node.kernel), bias: vector(node.bias) }
    case 'affine':
      return { ...node, scale: vector(node.scale)!, offset: vector(node.offset)! }
    case 'constant':
      return { ...node, values: values(product(concrete(node.shape)), 1) }
    default:
      return node
  }
}

/** The graph without the values of its weights: what is needed to tell how long it takes, in a fraction of the memory. */
export const withoutWeights = (graph: Graph): Graph => ({
  ...graph,
  nodes: graph.nodes.map(node => refilled(node, () => new Float32Array(0))),
})

const randomValues =
  (random: SeededRandom): Refill =>
  (size, fanIn) => {
    const scale = 2 * Math.sqrt(3 / fanIn)
    return Float32Array.from({ length: size }, () => (random.uniform() - 0.5) * scale)
  }

/** The graph with random weights that keep activations in a common range, whether it had values or not. */
export const withRandomWeights = (graph: Graph): Graph => {
  const values = randomValues(seededRandom('latency', 'weights'))
  return { ...graph, nodes: graph.nodes.map(node => refilled(node, values)) }
}

/**
 * A graph of one operator, so many times over on the same inputs. Each copy is an output, so that none is left out.
 */
export const repeated = ({ node, inputs }: Operator, copies: number): Graph => {
  const sources = inputs.map((shape, i) => ({ op: 'input' as const, name: `input_${i}`, inputs: [], shape }))
  const names = Array.from({ length: copies }, (_, i) => `copy_${i}`)
  return withRandomWeights({
    nodes: [...sources, ...names.map(name => ({ ...node, name, inputs: sources.map(source => source.name) }))],
    inputs: Object.fromEntries(sources.map(({ name }) => [name, name])),
    outputs: Object.fromEntries(names.map(name => [name, name])),
  })
}
