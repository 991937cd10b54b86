import { FxError } from '@fx/core'
import type { Tensor, Variable } from '@tensorflow/tfjs-core'
import * as tf from '@tensorflow/tfjs-core'
import { inHostMemory, replaceValues } from './host.js'
import { addressOf, nativeKernels, nativeReady, wasmBackend } from './native.js'
import { createSlots, type SavedOptimizerState, saveSlots, writableAddress } from './slots.js'

/** Averages of variables. It owns its tensors until `dispose`. */
export interface MovingAverageState {
  /** Updates done so far. */
  readonly step: number
  /** The averages, in the order of the variables; still owned by the state. */
  readonly averages: readonly Tensor[]
  /**
   * Exchanges the values of the variables with the averages, for evaluation or export; a second call takes it back.
   * No data is copied.
   */
  swap(): void
  /** A copy as plain data, for a checkpoint. Not between two calls of `swap`. */
  save(): Promise<SavedOptimizerState>
  dispose(): void
}

export interface MovingAverage {
  /**
   * Starts from the variables' present values, or from saved ones.
   *
   * @throws FxError `resume-mismatch` when `saved` belongs to other variables.
   */
  init(variables: readonly Variable[], saved?: SavedOptimizerState): MovingAverageState
  /** Moves the averages towards the variables' present values. */
  update(state: MovingAverageState): void
}

interface State extends MovingAverageState {
  step: number
  readonly variables: readonly Variable[]
  readonly averages: Variable[]
}

/** average += (value - average) * take, in place, on wasm. */
export const moveAverage = (average: Variable, value: Tensor, take: number): void => {
  const backend = wasmBackend()
  nativeKernels(backend).averageStep(writableAddress(backend, average), addressOf(backend, value), average.size, take)
}

const moveOnHost = (average: Variable, value: Tensor, take: number): void => {
  const moved = average.dataSync<'float32'>().slice()
  const values = value.dataSync<'float32'>()
  for (let i = 0; i < moved.length; i++) moved[i] = moved[i]! + (values[i]! - moved[i]!) * take
  replaceValues(average, moved)
}

const moveWithOps = (average: Variable, value: Tensor, take: number): void =>
  tf.tidy(() => {
    average.assign(tf.add(average, tf.mul(tf.sub(value, average), take)))
  })

/**
 * average += (1 - decay) * (variable - average), after every training step (Polyak averaging). With `warmup` (the
 * default) the decay of step t is at most (1 + t) / (10 + t), so that the first, random weights are soon forgotten.
 *
 * @throws FxError `invalid-argument` when decay is not in [0, 1).
 */
export const exponentialMovingAverage = (decay: number, { warmup = true } = {}): MovingAverage => {
  if (!(decay >= 0 && decay < 1)) {
    throw new FxError('invalid-argument', `decay must be at least 0 and below 1, got ${decay}.`)
  }
  return {
    init(variables, saved) {
      const averages = createSlots('average', variables, saved, variable => tf.add(variable, 0))
      const state: State = {
        step: saved?.step ?? 0,
        variables: [...variables],
        averages,
        swap() {
          variables.forEach((variable, i) => {
            const value = variable.clone()
            variable.assign(averages[i]!)
            averages[i]!.assign(value)
            value.dispose()
          })
        },
        async save() {
          const { step } = state
          return { step, slots: Object.fromEntries(await saveSlots('average', averages)) }
        },
        dispose: () => tf.dispose(averages),
      }
      return state
    },

    update(given) {
      const state = given as State
      state.step++
      const take = 1 - (warmup ? Math.min(decay, (1 + state.step) / (10 + state.step)) : decay)
      const move = nativeReady() ? moveAverage : inHostMemory() ? moveOnHost : moveWithOps
      state.variables.forEach((variable, i) => {
        move(state.averages[i]!, variable, take)
      })
    },
  }
}
