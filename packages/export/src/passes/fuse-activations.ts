import { type FusedActivation, type GraphNode, type Pass, rewritten, useCounts } from '../graph.js'

const fusable = (node: GraphNode): FusedActivation | undefined => {
  if (node.op === 'unary' && (node.fn === 'relu' || node.fn === 'relu6' || node.fn === 'sigmoid')) return node.fn
  return node.op === 'clip' && node.min === 0 && node.max === 6 ? 'relu6' : undefined
}

/** Moves relu, relu6 and sigmoid into the convolution or matrix product before them. */
export const fuseActivations: Pass = graph => {
  const uses = useCounts(graph)
  return rewritten(graph, (node, made) => {
    const activation = fusable(node)
    if (activation === undefined) return undefined
    const producer = made.get(node.inputs[0]!)!
    const takes = producer.op === 'conv2d' || producer.op === 'depthwiseConv2d' || producer.op === 'dense'
    if (!takes || producer.activation !== 'linear' || uses.get(producer.name) !== 1) return undefined
    uses.set(producer.name, uses.get(node.name) ?? 0)
    return { nodes: [{ ...producer, activation }], as: producer.name }
  })
}
