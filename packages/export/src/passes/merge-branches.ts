import { type Constant, type GraphNode, type NodeOf, type Pass, rewritten, useCounts } from '../graph.js'

type Convolution = NodeOf<'conv2d'> | NodeOf<'depthwiseConv2d'>

const isConvolution = (node: GraphNode): node is Convolution => node.op === 'conv2d' || node.op === 'depthwiseConv2d'

/** A per-channel affine map of x as the convolution that `like`, of as many channels in as out, could be. */
const asConvolution = ({ scale, offset }: NodeOf<'affine'>, like: Convolution): Convolution | undefined => {
  const channels = scale.length
  if (like.op === 'depthwiseConv2d') {
    if (like.filter.shape[3] !== 1) return undefined
    return { ...like, filter: { shape: [1, 1, channels, 1], values: scale }, bias: offset }
  }
  const values = new Float32Array(channels * channels)
  for (const [channel, value] of scale.entries()) values[channel * (channels + 1)] = value
  return { ...like, filter: { shape: [1, 1, channels, channels], values }, bias: offset }
}

/** The filter with zeros around it, `size` high and wide. */
const widened = ({ shape, values }: Constant, [height, width]: readonly [number, number]): Constant => {
  const [rows, columns, ...rest] = shape as [number, number, number, number]
  const block = rest[0] * rest[1]!
  const [top, left] = [(height - rows) / 2, (width - columns) / 2]
  const wide = new Float32Array(height * width * block)
  for (let row = 0; row < rows; row++) {
    const from = row * columns * block
    wide.set(values.subarray(from, from + columns * block), ((row + top) * width + left) * block)
  }
  return { shape: [height, width, ...rest], values: wide }
}

const settings = ({ op, strides, dilations, padding, activation }: Convolution): string =>
  JSON.stringify([op, strides, dilations, padding, activation])

/** Whether kernels of several sizes look at the same place: only where neither stride nor padding moves it. */
const isCentred = ({ strides, dilations, padding, filter }: Convolution): boolean =>
  padding === 'same' &&
  Math.max(...strides, ...dilations) === 1 &&
  filter.shape[0]! % 2 === 1 &&
  filter.shape[1]! % 2 === 1

const merged = (a: Convolution, b: Convolution, name: string): Convolution | undefined => {
  if (settings(a) !== settings(b) || a.activation !== 'linear' || a.inputs[0] !== b.inputs[0]) return undefined
  const size = [0, 1].map(axis => Math.max(a.filter.shape[axis]!, b.filter.shape[axis]!)) as [number, number]
  const differ = [0, 1].some(axis => a.filter.shape[axis] !== b.filter.shape[axis])
  if (differ && !(isCentred(a) && isCentred(b))) return undefined
  const [left, right] = [widened(a.filter, size), widened(b.filter, size)]
  const bias = a.bias?.map((value, i) => value + (b.bias?.[i] ?? 0)) ?? b.bias
  return {
    ...a,
    name,
    filter: { shape: left.shape, values: left.values.map((value, i) => value + right.values[i]!) },
    bias,
  }
}

/**
 * Makes one convolution of the sum of two that read the same: the branches of a block that was trained with several (Ding
 * et al. 2021, "RepVGG", section 3.3). A per-channel affine map of what the other reads counts as a 1x1 convolution.
 */
export const mergeBranches: Pass = graph => {
  const uses = useCounts(graph)
  return rewritten(graph, (node, made) => {
    if (node.op !== 'binary' || node.fn !== 'add') return undefined
    const operands = node.inputs.map(name => made.get(name)!)
    const like = operands.find(isConvolution)
    if (like === undefined || operands.some(({ name }) => uses.get(name) !== 1)) return undefined
    const [a, b] = operands.map(operand => {
      if (operand.op !== 'affine') return isConvolution(operand) ? operand : undefined
      const converted = operand.inputs[0] === like.inputs[0] ? asConvolution(operand, like) : undefined
      return converted
    })
    const next = a && b && merged(a, b, node.name)
    return next && { nodes: [next], as: node.name }
  })
}
