import type { Graph, GraphNode, Pass } from '../graph.js'

/** Wasm kernels compute four output channels at a time, so up to that many cost what one costs. */
const freeChannels = 4

/** A node that treats each channel by itself and alike, so that equal channels stay equal. */
const isElementwise = (node: GraphNode): boolean =>
  (node.op === 'unary' && node.fn !== 'softmax') ||
  node.op === 'clip' ||
  node.op === 'leakyRelu' ||
  node.op === 'resize' ||
  node.op === 'crop' ||
  // One value for the whole image, such as an effect's strength.
  (node.op === 'binary' && node.shape[3] === 1) ||
  (node.op === 'depthwiseConv2d' && node.filter.shape.every(size => size === 1))

/** What the mask touches: itself and its element-wise images, and the channels of the pictures that they multiply. */
const reach = (mask: GraphNode, graph: Graph): { region: Set<string>; channels: number } | undefined => {
  const outputs = new Set(Object.values(graph.outputs))
  const region = new Set([mask.name])
  const channels = new Set<number>()
  for (const name of region) {
    if (outputs.has(name)) return undefined
    for (const reader of graph.nodes.filter(({ inputs }) => inputs.includes(name))) {
      const wide = reader.shape[3]
      if (isElementwise(reader)) region.add(reader.name)
      else if (reader.op === 'binary' && wide != null && wide > 1) channels.add(wide)
      else return undefined
    }
  }
  const [only, ...others] = channels
  return only === undefined || others.length > 0 || only > freeChannels ? undefined : { region, channels: only }
}

const widened = (node: GraphNode, channels: number): GraphNode => {
  const shape = [...node.shape.slice(0, -1), channels]
  if (node.op !== 'conv2d' && node.op !== 'depthwiseConv2d') return { ...node, shape }
  const { filter, bias } = node
  const values = new Float32Array(filter.values.length * channels)
  for (const [i, value] of filter.values.entries()) values.fill(value, i * channels, (i + 1) * channels)
  const [height, width, input] = filter.shape as [number, number, number]
  return {
    ...node,
    shape,
    filter: { shape: node.op === 'conv2d' ? [height, width, input, channels] : [1, 1, channels, 1], values },
    bias: bias && new Float32Array(channels).fill(bias[0]!),
  }
}

/**
 * Gives a one-channel mask as many (equal) channels as the pictures that it multiplies: the convolution costs the same,
 * and a product of equal shapes needs no broadcast, which is eight times as slow on wasm; 2 % of a student of 256x256 for
 * each product.
 */
export const widenMask: Pass = graph => {
  const wide = new Map<string, number>()
  for (const mask of graph.nodes) {
    if (mask.op !== 'conv2d' || mask.shape[3] !== 1) continue
    const found = reach(mask, graph)
    for (const name of found?.region ?? []) wide.set(name, found!.channels)
  }
  const nodes = graph.nodes.map(node => (wide.has(node.name) ? widened(node, wide.get(node.name)!) : node))
  return { ...graph, nodes }
}
