import { type GraphNode, type NodeOf, type Pass, rewritten, useCounts } from '../graph.js'

type Convolution = NodeOf<'conv2d'> | NodeOf<'depthwiseConv2d'>

interface Swish {
  line: NodeOf<'affine'>
  ceiling: number
  convolution: Convolution
}

/** The parts of `x * clip(a x + b, 0, M)` where nothing but this product and its line reads the convolution x. */
const swishOf = (
  node: GraphNode,
  nodes: ReadonlyMap<string, GraphNode>,
  uses: ReadonlyMap<string, number>,
): (Swish & { clip: string }) | undefined => {
  if (node.op !== 'binary' || node.fn !== 'multiply') return undefined
  const [first, second] = node.inputs.map(name => nodes.get(name)!) as [GraphNode, GraphNode]
  const [clip, x] = first.op === 'clip' ? [first, second] : [second, first]
  if (clip.op !== 'clip' || clip.min !== 0 || uses.get(clip.name) !== 1) return undefined
  const line = nodes.get(clip.inputs[0]!)!
  if (line.op !== 'affine' || line.inputs[0] !== x.name || uses.get(line.name) !== 1) return undefined
  if ((x.op !== 'conv2d' && x.op !== 'depthwiseConv2d') || x.activation !== 'linear' || uses.get(x.name) !== 2) {
    return undefined
  }
  return { line, ceiling: clip.max, convolution: x, clip: clip.name }
}

/**
 * Spares hard swish (MobileNetV3) one operation: no kernel can end in a clip at 1, but one can end in relu6. The
 * convolution x gives `z = x M / 6` instead, its weights scaled; then `x * clip(a x + b, 0, M)` is
 * `z * relu6(36 a / M^2 z + 6 b / M)`.
 */
export const fuseHardSwish: Pass = graph => {
  const uses = useCounts(graph)
  const nodes = new Map(graph.nodes.map(node => [node.name, node]))
  const replaced = new Map<string, GraphNode>()
  for (const node of graph.nodes) {
    const swish = swishOf(node, nodes, uses)
    if (swish === undefined) continue
    const { line, ceiling, convolution, clip } = swish
    const factor = ceiling / 6
    replaced.set(convolution.name, {
      ...convolution,
      filter: { ...convolution.filter, values: convolution.filter.values.map(value => value * factor) },
      bias: convolution.bias?.map(value => value * factor) ?? null,
    })
    replaced.set(line.name, {
      ...line,
      scale: line.scale.map(value => value / (factor * factor)),
      offset: line.offset.map(value => value / factor),
    })
    const { name, inputs, shape } = nodes.get(clip)!
    replaced.set(name, { name, inputs, shape, op: 'unary', fn: 'relu6' })
  }
  return rewritten(graph, node => {
    const next = replaced.get(node.name)
    return next && { nodes: [{ ...next, inputs: node.inputs }], as: node.name }
  })
}
