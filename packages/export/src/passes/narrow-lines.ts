import { type Pass, rewritten } from '../graph.js'
import { lanes } from './side-by-side.js'

/**
 * Makes 1x1 convolutions of the 1x1 depthwise ones whose channels do not fill the four lanes of tfjs-wasm's kernel for
 * them: it computes with whatever lies in the weights' padding, and takes 0.2 or 3 ms for 256x256x3, depending on whether
 * that happens to be denormal.
 */
export const narrowLines: Pass = graph =>
  rewritten(graph, node => {
    if (node.op !== 'depthwiseConv2d' || node.filter.shape.some((size, axis) => axis !== 2 && size !== 1)) {
      return undefined
    }
    const { values } = node.filter
    const channels = values.length
    if (channels % 4 === 0 || channels > lanes) return undefined
    const diagonal = new Float32Array(channels * channels)
    for (const [i, value] of values.entries()) diagonal[i * channels + i] = value
    const filter = { shape: [1, 1, channels, channels], values: diagonal }
    return { nodes: [{ ...node, op: 'conv2d', filter }], as: node.name }
  })
