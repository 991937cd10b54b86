import { FxError } from '@fx/core'
import type { Shape } from '../graph.js'
import type { BuiltinOperator, OperatorOptions } from './schema.js'

/** Position of a tensor in the file. */
export type Tensor = number

/** What the writer of one node may ask for. */
export interface TfliteWriter {
  /** The tensor of a node that is already written. */
  of(name: string): Tensor
  shapeOf(name: string): number[]
  /** A tensor that an operation is going to fill. */
  tensor(name: string, shape: readonly number[]): Tensor
  float(name: string, shape: readonly number[], values: Float32Array): Tensor
  int(name: string, shape: readonly number[], values: readonly number[]): Tensor
  operator(operator: BuiltinOperator, inputs: readonly Tensor[], output: Tensor, options?: OperatorOptions): void
}

/**
 * A node's shape for one picture: TensorFlow Lite wants every size.
 *
 * @throws FxError `unsupported` naming the node when another size than the batch's is open.
 */
export const fixedShape = ({ name, op, shape }: { name: string; op: string; shape: Shape }): number[] =>
  shape.map((size, axis) => {
    if (size !== null) return size
    if (axis === 0) return 1
    const open = shape.map(size => size ?? '?').join(', ')
    throw new FxError(
      'unsupported',
      `TensorFlow Lite cannot hold node '${name}' (${op}): its shape is [${open}], allowed is only an open batch`,
      { details: { node: name } },
    )
  })
