import { FxError, listed } from '@fx/core'
import { type Graph, type GraphNode, type NodeOf, nodeNamed, type Pass, rewritten } from '../graph.js'
import { foldConstants } from './fold-constants.js'

/** A value for each column of an input `[N, P]`; `undefined` where it stays an input. */
export type FrozenValues = readonly (number | undefined)[]

/** The dense node without the frozen columns of its input, whose share has gone into the bias. */
const narrowed = (node: NodeOf<'dense'>, values: FrozenValues): GraphNode => {
  const units = node.kernel.shape[1]!
  const row = (i: number) => node.kernel.values.subarray(i * units, (i + 1) * units)
  const bias = Float64Array.from(node.bias ?? new Float32Array(units))
  const kept: number[] = []
  for (const [i, value] of values.entries()) {
    if (value === undefined) kept.push(...row(i))
    else for (const [unit, weight] of row(i).entries()) bias[unit]! += value * weight
  }
  const kernel = { shape: [kept.length / units, units], values: Float32Array.from(kept) }
  return { ...node, kernel, bias: Float32Array.from(bias) }
}

const checked = (graph: Graph, name: string, values: FrozenValues): string => {
  const input = graph.inputs[name]
  if (input === undefined) {
    throw new FxError(
      'invalid-argument',
      `freeze names the input '${name}'; this model has ${listed(Object.keys(graph.inputs))}`,
    )
  }
  const { shape } = nodeNamed(graph, input)
  if (shape.length !== 2 || shape[1] !== values.length) {
    throw new FxError(
      'invalid-argument',
      `freeze has ${values.length} values for the input '${name}', whose shape is [${shape.map(size => size ?? '?').join(', ')}]; only an input [?, P] can be frozen, by P values`,
    )
  }
  const wrong = values.find(value => value !== undefined && !Number.isFinite(value))
  if (wrong !== undefined) {
    throw new FxError('invalid-argument', `freeze gives '${name}' the value ${wrong}; it must be a finite number`)
  }
  return input
}

/**
 * Fixes columns of an input `[N, P]` and folds what follows from them: a modulation `x * scale + shift` (FiLM) becomes a
 * per-channel affine map, which later passes fold into the convolution before it. With every column fixed the input is
 * gone from the graph.
 *
 * @throws FxError `invalid-argument` for an unknown input or values that do not fit it, `unsupported` where the fixed
 *   values meet something that they cannot fold into.
 */
export const freezeInput =
  (name: string, values: FrozenValues): Pass =>
  graph => {
    const input = checked(graph, name, values)
    const left = values.filter(value => value === undefined).length
    if (left === values.length) return graph
    if (left === 0) {
      const constant = Float32Array.from(values as readonly number[])
      const nodes = graph.nodes.map(
        (node): GraphNode =>
          node.name === input
            ? { name: input, inputs: [], shape: [1, values.length], op: 'constant', values: constant }
            : node,
      )
      const { [name]: _, ...inputs } = graph.inputs
      return foldConstants({ ...graph, nodes, inputs })
    }
    return rewritten(graph, node => {
      if (node.name === input) return { nodes: [{ ...node, shape: [null, left] }], as: input }
      if (!node.inputs.includes(input)) return undefined
      if (node.op === 'dense') return { nodes: [narrowed(node, values)], as: node.name }
      throw new FxError(
        'unsupported',
        `Only a part of the input '${name}' is frozen, but '${node.name}' (${node.op}) reads it whole; a dense layer could do with a part`,
      )
    })
  }
