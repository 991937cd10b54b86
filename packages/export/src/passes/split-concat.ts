import { type GraphNode, type NodeOf, type Pass, rewritten, useCounts } from '../graph.js'

/** Channels `from` to `to` of a depthwise convolution with multiplier 1. */
const depthwisePart = (node: NodeOf<'depthwiseConv2d'>, input: string, from: number, to: number, i: number) => {
  const [height, width, channels] = node.filter.shape as [number, number, number]
  const count = to - from
  const values = new Float32Array(height * width * count)
  for (let tap = 0; tap < height * width; tap++) {
    values.set(node.filter.values.subarray(tap * channels + from, tap * channels + to), tap * count)
  }
  return {
    ...node,
    name: `${node.name}/part${i}`,
    inputs: [input],
    shape: [...node.shape.slice(0, 3), count],
    filter: { shape: [height, width, count, 1], values },
    bias: node.bias?.slice(from, to) ?? null,
  }
}

/** The share of input channels `from` to `to` in a 1x1 convolution; the first part carries the bias. */
const pointwisePart = (node: NodeOf<'conv2d'>, input: string, from: number, to: number, i: number) => {
  const channels = node.filter.shape[3]!
  return {
    ...node,
    name: `${node.name}/part${i}`,
    inputs: [input],
    filter: {
      shape: [1, 1, to - from, channels],
      values: node.filter.values.slice(from * channels, to * channels),
    },
    bias: i === 0 ? node.bias : null,
    activation: 'linear' as const,
  }
}

const isPointwise = (node: GraphNode): node is NodeOf<'conv2d'> =>
  node.op === 'conv2d' && node.filter.shape[0] === 1 && node.filter.shape[1] === 1 && Math.max(...node.strides) === 1

/**
 * From this size on a concatenation costs tfjs-wasm more than the four kernels by which it is replaced: it copies each
 * pixel with a call of its own, 0.1 us apiece.
 */
const worthwhilePixels = 64 * 64

/**
 * Takes a large concatenation apart when a depthwise and then a 1x1 convolution are all that reads it: each part goes through
 * its own channels of both, and the results are added. Exact; 6 % of a student of 256x256.
 */
export const splitConcat: Pass = graph => {
  const uses = useCounts(graph)
  return rewritten(graph, (node, made) => {
    if (!isPointwise(node) || node.shape[1]! * node.shape[2]! < worthwhilePixels) return undefined
    const depthwise = made.get(node.inputs[0]!)!
    if (depthwise.op !== 'depthwiseConv2d' || depthwise.filter.shape[3] !== 1) return undefined
    const concat = made.get(depthwise.inputs[0]!)!
    if (concat.op !== 'concat' || concat.axis !== 3) return undefined
    if (uses.get(depthwise.name) !== 1 || uses.get(concat.name) !== 1) return undefined

    const nodes: GraphNode[] = []
    let from = 0
    let sum: string | undefined
    for (const [i, input] of concat.inputs.entries()) {
      const to = from + made.get(input)!.shape[3]!
      const spatial = depthwisePart(depthwise, input, from, to, i)
      const mixed = pointwisePart(node, spatial.name, from, to, i)
      nodes.push(spatial, mixed)
      from = to
      if (sum === undefined) sum = mixed.name
      else {
        const added: GraphNode = {
          name: `${node.name}/sum${i}`,
          inputs: [sum, mixed.name],
          shape: node.shape,
          op: 'binary',
          fn: 'add',
        }
        nodes.push(added)
        sum = added.name
      }
    }
    if (node.activation === 'linear') return { nodes, as: sum! }
    nodes.push({ name: node.name, inputs: [sum!], shape: node.shape, op: 'unary', fn: node.activation })
    return { nodes, as: node.name }
  })
}
