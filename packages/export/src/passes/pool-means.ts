import { type Pass, rewritten, useCounts } from '../graph.js'

/**
 * Makes an average pooling over the whole picture of a mean over it that a reshape gives its two axes back, as
 * squeeze-excite needs: tfjs-wasm transposes the picture for a mean, which takes three to ten times as long.
 */
export const poolMeans: Pass = graph => {
  const uses = useCounts(graph)
  return rewritten(graph, (node, made) => {
    if (node.op !== 'reshape' || node.shape.length !== 4 || node.shape[1] !== 1 || node.shape[2] !== 1) return undefined
    const mean = made.get(node.inputs[0]!)!
    if (mean.op !== 'reduce' || mean.fn !== 'mean' || mean.axes.join() !== '1,2' || uses.get(mean.name) !== 1) {
      return undefined
    }
    const [, height, width] = made.get(mean.inputs[0]!)!.shape
    if (height == null || width == null) return undefined
    const { name, shape } = node
    const size = [height, width] as const
    return {
      nodes: [{ name, inputs: mean.inputs, shape, op: 'pool', fn: 'average', size, strides: size, padding: 'valid' }],
      as: name,
    }
  })
}
