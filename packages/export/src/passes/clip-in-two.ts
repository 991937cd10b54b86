import { type GraphNode, type Pass, rewritten } from '../graph.js'

/**
 * Makes a relu and a minimum of a clip from 0, where a kernel can end in a relu and none in a clip, as TensorFlow Lite's.
 */
export const clipInTwo: Pass = graph =>
  rewritten(graph, node => {
    if (node.op !== 'clip' || node.min !== 0 || node.max === 6) return undefined
    const { name, inputs, shape, max } = node
    const rectified: GraphNode = { name: `${name}/relu`, inputs, shape, op: 'unary', fn: 'relu' }
    const limit: GraphNode = {
      name: `${name}/max`,
      inputs: [],
      shape: shape.map(() => 1),
      op: 'constant',
      values: Float32Array.of(max),
    }
    const limited: GraphNode = { name, inputs: [rectified.name, limit.name], shape, op: 'binary', fn: 'minimum' }
    return { nodes: [rectified, limit, limited], as: name }
  })
