import { type Constant, type GraphNode, type Pass, rewritten, useCounts } from '../graph.js'

type Affine = { scale: Float32Array; offset: Float32Array }

/** Output channel = position in the last axis: convolution filters and dense kernels. */
const scaledByLastAxis = ({ shape, values }: Constant, scale: Float32Array): Constant => ({
  shape,
  values: values.map((value, i) => value * scale[i % scale.length]!),
})

/** Output channel of a depthwise filter `[h, w, in, multiplier]` = in * multiplier + position, again the flat tail. */
const foldedBias = (bias: Float32Array | null, { scale, offset }: Affine): Float32Array =>
  offset.map((value, channel) => value + (bias?.[channel] ?? 0) * scale[channel]!)

const folded = (producer: GraphNode, affine: Affine): GraphNode | undefined => {
  switch (producer.op) {
    case 'conv2d':
    case 'depthwiseConv2d':
      if (producer.activation !== 'linear') return undefined
      return {
        ...producer,
        filter: scaledByLastAxis(producer.filter, affine.scale),
        bias: foldedBias(producer.bias, affine),
      }
    case 'dense':
      if (producer.activation !== 'linear') return undefined
      return {
        ...producer,
        kernel: scaledByLastAxis(producer.kernel, affine.scale),
        bias: foldedBias(producer.bias, affine),
      }
    case 'affine':
      return {
        ...producer,
        scale: producer.scale.map((value, channel) => value * affine.scale[channel]!),
        offset: foldedBias(producer.offset, affine),
      }
    default:
      return undefined
  }
}

/**
 * Folds per-channel affine maps (batch norm with its moving statistics, rescaling, the line inside a hard sigmoid) into
 * the weights and bias of the convolution or matrix product before them, when nothing else reads its result.
 */
export const foldAffine: Pass = graph => {
  const uses = useCounts(graph)
  return rewritten(graph, (node, made) => {
    if (node.op !== 'affine') return undefined
    const producer = made.get(node.inputs[0]!)!
    // A producer made of a folded chain keeps its name, so its own count stays right.
    const next = uses.get(producer.name) === 1 ? folded(producer, node) : undefined
    if (next === undefined) return undefined
    uses.set(producer.name, uses.get(node.name) ?? 0)
    return { nodes: [next], as: producer.name }
  })
}

/**
 * Turns the affine maps that could not be folded into 1x1 depthwise convolutions: one vectorised kernel with a fusable
 * activation in place of two broadcast operations.
 */
export const affineToDepthwise: Pass = graph =>
  rewritten(graph, node => {
    if (node.op !== 'affine' || node.shape.length !== 4) return undefined
    const { name, inputs, shape, scale, offset } = node
    const next: GraphNode = {
      name,
      inputs,
      shape,
      op: 'depthwiseConv2d',
      filter: { shape: [1, 1, scale.length, 1], values: scale },
      bias: offset,
      strides: [1, 1],
      dilations: [1, 1],
      padding: 'valid',
      activation: 'linear',
    }
    return { nodes: [next], as: name }
  })
