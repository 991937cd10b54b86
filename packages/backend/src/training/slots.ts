import { FxError } from '@fx/core'
import type { Tensor, Variable } from '@tensorflow/tfjs-core'
import * as tf from '@tensorflow/tfjs-core'
import type { WasmBackend } from './native.js'

/** Plain data of an optimiser or a moving average: what a checkpoint stores. Slot keys are `<slot>/<variable index>`. */
export interface SavedOptimizerState {
  step: number
  slots: Record<string, Float32Array>
}

const savedSlot = (saved: SavedOptimizerState, key: string, size: number): Float32Array => {
  const values = saved.slots[key]
  if (values?.length === size) return values
  throw new FxError(
    'resume-mismatch',
    `The saved state has ${values ? `${values.length} values` : 'nothing'} under '${key}', the model needs ${size}. Was it saved from another model?`,
    { details: { key, expected: size, actual: values?.length ?? 0 } },
  )
}

/** One array a variable in the memory of the process, zero or as saved. */
export const createHostSlots = (
  name: string,
  variables: readonly Variable[],
  saved: SavedOptimizerState | undefined,
): Float32Array[] =>
  variables.map(({ size }, i) => (saved ? savedSlot(saved, `${name}/${i}`, size).slice() : new Float32Array(size)))

/**
 * One kept tensor a variable, either as saved or as `initial` gives it. Nothing is allocated when the saved state does
 * not fit.
 */
export const createSlots = (
  name: string,
  variables: readonly Variable[],
  saved: SavedOptimizerState | undefined,
  initial: (variable: Variable) => Tensor,
): Variable[] => {
  const values = saved && variables.map((variable, i) => savedSlot(saved, `${name}/${i}`, variable.size))
  return variables.map((variable, i) =>
    tf.tidy(() => {
      // A copy: tf.tensor may keep the given array itself, and the fused kernels write in place.
      const start = values ? tf.tensor(values[i]!.slice(), variable.shape, 'float32') : initial(variable)
      return tf.variable(start, false)
    }),
  )
}

export const saveSlots = async (name: string, slots: readonly Tensor[]): Promise<[string, Float32Array][]> =>
  Promise.all(
    slots.map(
      async (slot, i): Promise<[string, Float32Array]> => [`${name}/${i}`, (await slot.data<'float32'>()).slice()],
    ),
  )

export const saveHostSlots = (name: string, slots: readonly Float32Array[]): [string, Float32Array][] =>
  slots.map((slot, i) => [`${name}/${i}`, slot.slice()])

/**
 * Heap address at which this variable may be overwritten. Tensors that share its data (clones, saved copies) must not
 * change, so shared data is copied first.
 *
 * XNNPACK keeps a packed copy of every convolution filter, by the tensor's id, and would go on computing with the old
 * values: registering the id anew drops that copy.
 */
export const writableAddress = (backend: WasmBackend, variable: Variable): number => {
  if (backend.refCount(variable.dataId) > 1) {
    const copy = tf.tidy(() => tf.add(variable, 0))
    variable.assign(copy)
    copy.dispose()
  }
  const { id, memoryOffset } = backend.dataIdMap.get(variable.dataId)
  backend.wasm.tfjs.disposeData(id)
  backend.wasm.tfjs.registerTensor(id, variable.size, memoryOffset)
  return memoryOffset
}
