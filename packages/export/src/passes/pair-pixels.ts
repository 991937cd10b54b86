import { type GraphNode, type NodeOf, type Padding, type Pass, rewritten } from '../graph.js'
import { lanes, worthwhilePixels } from './side-by-side.js'

/** How many neighbours in a row become one: as many as the lanes hold and the row divides into. */
const groupSize = (width: number, channels: number): number => {
  let size = Math.floor(lanes / channels)
  while (size > 1 && width % size !== 0) size--
  return size
}

/** The zeros around the picture for a kernel of this size and stride 1. */
const zeros = (padding: Padding, kernel: readonly [number, number]): Exclude<Padding, string> => {
  if (padding === 'valid') {
    return [
      [0, 0],
      [0, 0],
    ]
  }
  if (padding !== 'same') return padding
  const around = (size: number): [number, number] => [(size - 1) >> 1, size >> 1]
  return [around(kernel[0]), around(kernel[1])]
}

/** The filter that computes `group` neighbours in a row at once: one copy for each, moved right by its place. */
const grouped = ({ shape, values }: NodeOf<'conv2d'>['filter'], group: number): NodeOf<'conv2d'>['filter'] => {
  const [height, width, input, output] = shape as [number, number, number, number]
  const wide = width + group - 1
  const paired = new Float32Array(height * wide * input * group * output)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let i = 0; i < input; i++) {
        const from = ((y * width + x) * input + i) * output
        for (let p = 0; p < group; p++) {
          const to = (((y * wide + x + p) * input + i) * group + p) * output
          paired.set(values.subarray(from, from + output), to)
        }
      }
    }
  }
  return { shape: [height, wide, input, group * output], values: paired }
}

/**
 * Lets a convolution of few output channels, such as a student's head, compute several neighbours in a row as channels of
 * one pixel, which a reshape takes apart: k x k of C channels at every pixel becomes k x (k + 1) of 2C at every second one.
 * Exact, and a third less work where kernels compute eight channels whether there are so many or not.
 */
export const pairPixels: Pass = graph =>
  rewritten(graph, node => {
    if (node.op !== 'conv2d' || Math.max(...node.strides, ...node.dilations) > 1) return undefined
    const [batch, height, width, channels] = node.shape as [number | null, number | null, number | null, number]
    if (height === null || width === null || height * width < worthwhilePixels) return undefined
    const [rows, columns] = node.filter.shape as [number, number]
    const group = groupSize(width, channels)
    if (columns === 1 || group < 2) return undefined
    const paired: GraphNode = {
      ...node,
      name: `${node.name}/pairs`,
      shape: [batch, height, width / group, group * channels],
      filter: grouped(node.filter, group),
      bias: node.bias && Float32Array.from({ length: group * channels }, (_, i) => node.bias![i % channels]!),
      strides: [1, group],
      padding: zeros(node.padding, [rows, columns]),
    }
    const { name, shape } = node
    return { nodes: [paired, { name, inputs: [paired.name], shape, op: 'reshape' }], as: name }
  })
