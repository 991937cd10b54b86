import { type GraphNode, type Pass, useCounts } from '../graph.js'

/** Wasm kernels compute four output channels at a time, so up to that many cost what one costs. */
const freeChannels = 4

/** Follows the only reader's chain back: element-wise nodes down to the one-channel convolution that feeds them. */
const chainTo = (
  start: string,
  nodes: ReadonlyMap<string, GraphNode>,
  uses: ReadonlyMap<string, number>,
): GraphNode[] => {
  const chain: GraphNode[] = []
  for (
    let node = nodes.get(start);
    node !== undefined && uses.get(node.name) === 1;
    node = nodes.get(node.inputs[0]!)
  ) {
    chain.push(node)
    if (node.op === 'conv2d') return chain
    if (node.op !== 'unary' && node.op !== 'clip' && node.op !== 'leakyRelu') break
    if (node.op === 'unary' && node.fn === 'softmax') break
  }
  return []
}

const widened = (node: GraphNode, channels: number): GraphNode => {
  const shape = [...node.shape.slice(0, -1), channels]
  if (node.op !== 'conv2d') return { ...node, shape }
  const { filter, bias } = node
  const values = new Float32Array(filter.values.length * channels)
  for (const [i, value] of filter.values.entries()) values.fill(value, i * channels, (i + 1) * channels)
  return {
    ...node,
    shape,
    filter: { shape: [...filter.shape.slice(0, 3), channels], values },
    bias: bias && new Float32Array(channels).fill(bias[0]!),
  }
}

/**
 * Gives a one-channel mask as many (equal) channels as the picture that it multiplies: the convolution costs the same,
 * and a product of equal shapes needs no broadcast, which is eight times as slow on wasm; 2 % of a student of 256x256.
 */
export const widenMask: Pass = graph => {
  const uses = useCounts(graph)
  const nodes = new Map(graph.nodes.map(node => [node.name, node]))
  for (const node of graph.nodes) {
    const channels = node.shape.at(-1)
    if (node.op !== 'binary' || node.shape.length !== 4 || channels == null || channels > freeChannels) continue
    for (const input of node.inputs) {
      const { shape } = nodes.get(input)!
      if (shape[3] !== 1 || channels === 1 || shape[1] !== node.shape[1] || shape[2] !== node.shape[2]) continue
      for (const link of chainTo(input, nodes, uses)) nodes.set(link.name, widened(link, channels))
    }
  }
  return { ...graph, nodes: [...nodes.values()] }
}
