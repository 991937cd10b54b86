import { FxError } from '@fx/core'

/** A tensor's shape, NHWC; `null` is the batch. */
export type Shape = readonly (number | null)[]

/** A weight: its shape and its values, row-major. */
export interface Constant {
  shape: readonly number[]
  values: Float32Array
}

/** TensorFlow's padding rules, or explicit zeros: rows above and below, columns left and right. */
export type Padding = 'same' | 'valid' | readonly [readonly [number, number], readonly [number, number]]

/** What a convolution or matrix product can apply to its result in the same kernel. */
export type FusedActivation = 'linear' | 'relu' | 'relu6' | 'sigmoid'

interface Convolution {
  /** `[height, width, in, out]`; for a depthwise convolution `[height, width, in, multiplier]`. */
  filter: Constant
  /** One value for each output channel. */
  bias: Float32Array | null
  strides: readonly [number, number]
  dilations: readonly [number, number]
  padding: Padding
  activation: FusedActivation
}

/** What a node computes. Channels are always the last axis. */
export type Operation =
  | { op: 'input' }
  /** The same values for every image of the batch, whose axis is 1 here. */
  | { op: 'constant'; values: Float32Array }
  | { op: 'identity' }
  | ({ op: 'conv2d' } & Convolution)
  | ({ op: 'depthwiseConv2d' } & Convolution)
  | { op: 'dense'; kernel: Constant; bias: Float32Array | null; activation: FusedActivation }
  /** `x * scale + offset` for each channel: an inference batch norm, a rescaling. */
  | { op: 'affine'; scale: Float32Array; offset: Float32Array }
  | { op: 'unary'; fn: 'relu' | 'relu6' | 'sigmoid' | 'tanh' | 'elu' | 'selu' | 'softplus' | 'softmax' }
  | { op: 'leakyRelu'; alpha: number }
  | { op: 'clip'; min: number; max: number }
  | { op: 'binary'; fn: 'add' | 'multiply' | 'maximum' | 'minimum' }
  | { op: 'concat'; axis: number }
  /** Corner-aligned at the top left (`alignCorners` and `halfPixelCenters` both false), as `UpSampling2D` does it. */
  | { op: 'resize'; method: 'bilinear' | 'nearest'; size: readonly [number, number] }
  | { op: 'pad'; rows: readonly [number, number]; columns: readonly [number, number] }
  /** The rows and columns from the first ones on, as many as the node's shape has. */
  | { op: 'crop'; row: number; column: number }
  | {
      op: 'pool'
      fn: 'average' | 'max'
      size: readonly [number, number]
      strides: readonly [number, number]
      padding: 'same' | 'valid'
    }
  | { op: 'reduce'; fn: 'mean' | 'max'; axes: readonly number[]; keepDims: boolean }
  | { op: 'reshape' }

/** One operation, the names of the nodes it reads and the shape it gives. */
export type GraphNode = { readonly name: string; readonly inputs: readonly string[]; readonly shape: Shape } & Operation

/** The nodes of one kind of operation. */
export type NodeOf<Op extends Operation['op']> = Extract<GraphNode, { op: Op }>

/** An inference graph: plain data, nodes in an order in which they can run. Passes take one and give a new one. */
export interface Graph {
  readonly nodes: readonly GraphNode[]
  /** Public name to the node it stands for. */
  readonly inputs: Readonly<Record<string, string>>
  readonly outputs: Readonly<Record<string, string>>
}

/** A rewriting of the graph that keeps what it computes. */
export type Pass = (graph: Graph) => Graph

/** The node of this name. */
export const nodeNamed = (graph: Graph, name: string): GraphNode => {
  const node = graph.nodes.find(node => node.name === name)
  if (node === undefined) throw new FxError('invalid-argument', `The graph has no node '${name}'`)
  return node
}

/** How often each node is read, by other nodes and as an output of the graph. */
export const useCounts = (graph: Graph): Map<string, number> => {
  const counts = new Map<string, number>()
  const count = (name: string) => counts.set(name, (counts.get(name) ?? 0) + 1)
  for (const node of graph.nodes) node.inputs.forEach(count)
  Object.values(graph.outputs).forEach(count)
  return counts
}

/**
 * The graph with nodes replaced or dropped and every reader of a renamed node reading the new name.
 *
 * @param rewrite gives the replacement nodes of one node, whose inputs are already renamed, and (`as`) the name that its
 *   readers read from now on. `undefined` keeps the node.
 */
export const rewritten = (
  graph: Graph,
  rewrite: (node: GraphNode, made: ReadonlyMap<string, GraphNode>) => { nodes: GraphNode[]; as: string } | undefined,
): Graph => {
  const renamed = new Map<string, string>()
  const made = new Map<string, GraphNode>()
  for (const original of graph.nodes) {
    const node = { ...original, inputs: original.inputs.map(name => renamed.get(name) ?? name) }
    const { nodes, as } = rewrite(node, made) ?? { nodes: [node], as: node.name }
    for (const next of nodes) made.set(next.name, next)
    if (as !== node.name) renamed.set(node.name, as)
  }
  const outputs = Object.fromEntries(
    Object.entries(graph.outputs).map(([key, name]) => [key, renamed.get(name) ?? name]),
  )
  return { nodes: [...made.values()], inputs: graph.inputs, outputs }
}
