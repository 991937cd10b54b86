import type { Graph, GraphNode, NodeOf, Pass } from '../graph.js'
import { areAlike, lanes, sideBySide, worthwhilePixels } from './side-by-side.js'

type Convolution = NodeOf<'conv2d'>

/** A 1x1 convolution that gives `count` channels of `source` from `first` on. */
const selection = (name: string, source: Convolution, first: number, count: number): Convolution => {
  const channels = source.shape[3]!
  const values = new Float32Array(channels * count)
  for (let i = 0; i < count; i++) values[(first + i) * count + i] = 1
  return {
    name,
    op: 'conv2d',
    inputs: [source.name],
    shape: [...source.shape.slice(0, 3), count],
    filter: { shape: [1, 1, channels, count], values },
    bias: null,
    strides: [1, 1],
    dilations: [1, 1],
    padding: 'valid',
    activation: 'linear',
  }
}

const isHead = (node: GraphNode): node is Convolution =>
  node.op === 'conv2d' &&
  node.filter.shape[1]! > 1 &&
  node.shape[3]! < lanes / 2 &&
  node.shape[1]! * node.shape[2]! >= worthwhilePixels

/** Heads that are alike, the earlier ones first. */
const groupsOf = ({ nodes }: Graph): Convolution[][] => {
  const groups: Convolution[][] = []
  for (const node of nodes) {
    if (!isHead(node)) continue
    const group = groups.find(([first]) => areAlike([first!, node]))
    if (group === undefined) groups.push([node])
    else group.push(node)
  }
  return groups
}

/**
 * Computes convolutions of few channels that read the same picture, such as a student's paint and its alpha, as one, from
 * which 1x1 convolutions select each its own. Exact. Together with `pairPixels` 14 % of a student of 256x256 with the head
 * `alpha` on tfjs-wasm; on LiteRT no more than 3 %.
 */
export const mergeHeads: Pass = graph => {
  const replaced = new Map<string, GraphNode[]>()
  for (const parts of groupsOf(graph)) {
    const channels = parts.reduce((sum, { shape }) => sum + shape[3]!, 0)
    if (parts.length < 2 || channels > lanes / 2) continue
    const whole = sideBySide(parts, `${parts[0]!.name}/merged`)
    let first = 0
    for (const [i, { name, shape }] of parts.entries()) {
      const selected = selection(name, whole, first, shape[3]!)
      replaced.set(name, i === 0 ? [whole, selected] : [selected])
      first += shape[3]!
    }
  }
  return { ...graph, nodes: graph.nodes.flatMap(node => replaced.get(node.name) ?? [node]) }
}
