import type { GraphNode, NodeOf } from '../graph.js'

type Convolution = NodeOf<'conv2d'>

/**
 * Output channels that the convolutions of XNNPACK, and so of tfjs-wasm, compute at a time: fewer cost as much.
 */
export const lanes = 8

/** From this size on, a picture's rewriting saves more than the small nodes that it adds. */
export const worthwhilePixels = 64 * 64

/** Two nodes are alike when what they compute differs in nothing but weights, inputs, and channels of the result. */
const likeness = (node: GraphNode): string => {
  if (node.op !== 'conv2d') return JSON.stringify({ ...node, name: '', inputs: [], shape: node.shape.slice(0, -1) })
  const { inputs, filter, strides, dilations, padding, activation } = node
  return JSON.stringify([inputs, filter.shape.slice(0, 3), strides, dilations, padding, activation])
}

/** Nodes of one kind, and for convolutions of one input. */
export const areAlike = (nodes: readonly GraphNode[]): boolean => new Set(nodes.map(likeness)).size === 1

/** Convolutions that are alike as one, whose output has the channels of the first, then those of the second, ... */
export const sideBySide = (parts: readonly Convolution[], name: string): Convolution => {
  const [first] = parts as [Convolution]
  const counts = parts.map(({ shape }) => shape[3]!)
  const channels = counts.reduce((sum, count) => sum + count, 0)
  const taps = first.filter.values.length / counts[0]!
  const values = new Float32Array(taps * channels)
  const bias = new Float32Array(channels)
  let from = 0
  for (const [i, part] of parts.entries()) {
    const count = counts[i]!
    for (let tap = 0; tap < taps; tap++) {
      values.set(part.filter.values.subarray(tap * count, (tap + 1) * count), tap * channels + from)
    }
    if (part.bias !== null) bias.set(part.bias, from)
    from += count
  }
  return {
    ...first,
    name,
    shape: [...first.shape.slice(0, 3), channels],
    filter: { shape: [...first.filter.shape.slice(0, 3), channels], values },
    bias,
  }
}
