import { type Pass, rewritten } from '../graph.js'

/** Gives the zeros of a padding node to the unpadded convolution after it, as Keras writes strided convolutions. */
export const foldPadding: Pass = graph =>
  rewritten(graph, (node, made) => {
    if ((node.op !== 'conv2d' && node.op !== 'depthwiseConv2d') || node.padding !== 'valid') return undefined
    const producer = made.get(node.inputs[0]!)!
    if (producer.op !== 'pad') return undefined
    return {
      nodes: [{ ...node, inputs: producer.inputs, padding: [producer.rows, producer.columns] }],
      as: node.name,
    }
  })
