import { FxError } from '@fx/core'
import type * as tf from '@tensorflow/tfjs-core'

/** Checks a tensor's shape, `null` standing for any size; returns the batch size. */
export const checkShape = (what: string, tensor: tf.Tensor, expected: readonly (number | null)[]): number => {
  const { shape } = tensor
  if (shape.length !== expected.length || expected.some((size, axis) => size !== null && size !== shape[axis])) {
    throw new FxError(
      'shape-mismatch',
      `stylegan2: ${what} must be [${expected.map(size => size ?? 'N').join(', ')}], got [${shape.join(', ')}]`,
      { details: { expected, given: shape } },
    )
  }
  return shape[0]!
}

/** Labels are needed exactly where a network has them. */
export const checkLabels = (labels: tf.Tensor2D | undefined, cDim: number, batch: number): void => {
  if (cDim > 0 && !labels) {
    throw new FxError('invalid-argument', `stylegan2: this network needs labels of shape [${batch}, ${cDim}]`)
  }
  if (cDim === 0 && labels) {
    throw new FxError('invalid-argument', 'stylegan2: this network takes no labels (cDim is 0)')
  }
  if (labels) checkShape('labels', labels, [batch, cDim])
}
