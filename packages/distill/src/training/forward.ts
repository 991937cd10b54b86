import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import type { LayersModel } from '@tensorflow/tfjs-layers'
import type { ResolvedConfig, Student } from '../config/types.js'
import type { Batch } from '../data/batches.js'

/** A batch's arrays as tensors; call it inside a tidy. */
export const batchTensors = (
  batch: Batch,
  size: number,
): { inputs: tf.Tensor[]; target: tf.Tensor4D; weights: tf.Tensor4D } => {
  const image = (data: Float32Array): tf.Tensor4D => tf.tensor4d(data, [batch.count, size, size, 3])
  const width = batch.parameters.length / batch.count
  return {
    inputs: [image(batch.input), ...(width > 0 ? [tf.tensor2d(batch.parameters, [batch.count, width])] : [])],
    target: image(batch.target),
    weights: tf.tensor4d(batch.weights, [batch.count, size, size, 1]),
  }
}

/** The model's output; parameters are given to a model that takes them. */
export const forward = (model: LayersModel, inputs: tf.Tensor[], training: boolean): tf.Tensor4D =>
  model.apply(model.inputs.length > 1 ? inputs : inputs[0]!, { training }) as tf.Tensor4D

const fits = (shape: readonly (number | null)[], wanted: readonly (number | null)[]): boolean =>
  shape.length === wanted.length && shape.every((side, axis) => side === null || side === wanted[axis])

/**
 * Refuses a student that cannot take the run's pairs.
 *
 * @throws FxError `shape-mismatch`, `unsupported` or `invalid-argument`.
 */
export const checkStudent = ({ model, specHash }: Student, config: ResolvedConfig): void => {
  const { size, effect, pairs } = config
  const [input, parameters, ...more] = model.inputs
  const shown = (shape: readonly (number | null)[]): string => `[${shape.map(side => side ?? 'any').join(', ')}]`
  const wanted = [null, size, size, 3]
  if (typeof specHash !== 'string' || specHash === '') {
    throw new FxError('invalid-argument', 'The student must have a specHash, the identity of its spec')
  }
  for (const [role, shape] of [
    ['input', input?.shape ?? []],
    ['output', model.outputs[0]?.shape ?? []],
  ] as const) {
    if (!fits(shape, wanted)) {
      throw new FxError(
        'shape-mismatch',
        `The student's ${role} is ${shown(shape)}; pairs of size ${size} need ${shown(wanted)}`,
        { details: { role, shape, size } },
      )
    }
  }
  if (more.length > 0 || model.outputs.length !== 1) {
    throw new FxError('unsupported', 'A student has an image input, at most one parameter input, and one output')
  }
  const count = Object.keys(effect.parameters).length
  if (parameters && !fits(parameters.shape, [null, count])) {
    throw new FxError(
      'shape-mismatch',
      `The student's parameter input is ${shown(parameters.shape)}; effect '${effect.id}' has ${count} parameters`,
      { details: { shape: parameters.shape, parameters: Object.keys(effect.parameters) } },
    )
  }
  if (pairs.parameters === 'sampled' && !parameters) {
    throw new FxError(
      'invalid-argument',
      "pairs.parameters is 'sampled', but the student has no parameter input: it could not know which values to imitate",
    )
  }
}
