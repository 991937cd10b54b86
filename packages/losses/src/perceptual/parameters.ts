import { FxError } from '@fx/core'
import { loadFloat32, type TensorMap } from '@fx/weights'
import * as tf from '@tensorflow/tfjs-core'

/** Where weights come from: what `openCheckpoint` of `@fx/weights` returns. The caller closes it. */
export interface WeightsSource {
  readonly tensors: TensorMap
}

/** What is expected of one tensor of a checkpoint. */
export interface ExpectedTensor {
  name: string
  /** As the checkpoint has it. */
  shape: readonly number[]
}

const text = (shape: readonly number[]): string => `[${shape.join(', ')}]`

/**
 * Checks that all tensors are there and shaped as expected, then loads them in order. `what` names the expected weights.
 *
 * @throws FxError `not-found` for a missing tensor, `shape-mismatch` for one of another shape, and what `load` throws.
 */
export const loadExpected = async (
  what: string,
  { tensors }: WeightsSource,
  expected: readonly ExpectedTensor[],
): Promise<Float32Array[]> => {
  const missing = expected.filter(({ name }) => !tensors.has(name)).map(({ name }) => name)
  if (missing.length > 0) {
    const found = [...tensors.keys()].slice(0, 3).join(', ') || 'no tensor'
    throw new FxError(
      'not-found',
      `${what}: the checkpoint lacks ${missing.slice(0, 3).join(', ')}${missing.length > 3 ? ` and ${missing.length - 3} more` : ''}; it begins with ${found}`,
      { details: { missing } },
    )
  }
  for (const { name, shape } of expected) {
    const got = tensors.get(name)!.shape
    if (got.length !== shape.length || got.some((size, axis) => size !== shape[axis])) {
      throw new FxError('shape-mismatch', `${what}: ${name} must be ${text(shape)}, got ${text(got)}`, {
        details: { name, expected: shape, got },
      })
    }
  }
  const loaded: Float32Array[] = []
  for (const { name } of expected) loaded.push(await loadFloat32(tensors.get(name)!))
  return loaded
}

/** Tensors with one owner: `use` refuses to work once they are disposed. */
export interface OwnedTensors<T extends tf.TensorContainer> {
  use(): T
  dispose(): void
}

/** Owns what `create` makes; its intermediate tensors are freed. */
export const ownTensors = <T extends tf.TensorContainer>(name: string, create: () => T): OwnedTensors<T> => {
  const tensors = tf.tidy(create)
  let disposed = false
  return {
    use: () => {
      if (disposed) throw new FxError('invalid-argument', `${name} was disposed`)
      return tensors
    },
    dispose: () => {
      if (!disposed) tf.dispose(tensors)
      disposed = true
    },
  }
}
