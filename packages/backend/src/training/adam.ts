import { FxError } from '@fx/core'
import type { Tensor, Variable } from '@tensorflow/tfjs-core'
import * as tf from '@tensorflow/tfjs-core'
import { inHostMemory, replaceValues } from './host.js'
import { addressOf, nativeKernels, nativeReady, wasmBackend } from './native.js'
import {
  createHostSlots,
  createSlots,
  type SavedOptimizerState,
  saveHostSlots,
  saveSlots,
  writableAddress,
} from './slots.js'

/** What an optimiser remembers between steps. It owns its tensors until `dispose`. */
export interface OptimizerState {
  /** Updates done so far. */
  readonly step: number
  /** A copy as plain data, for a checkpoint. */
  save(): Promise<SavedOptimizerState>
  dispose(): void
}

export interface UpdateOptions {
  learningRate: number
  /** Gradients are scaled down together so that their global norm is at most this. Default: not at all. */
  clipNorm?: number
}

/** A pair of functions: one makes the state, one does a step. */
export interface Optimizer {
  /**
   * Allocates the state for these variables, or restores it.
   *
   * @throws FxError `resume-mismatch` when `saved` belongs to other variables.
   */
  init(variables: readonly Variable[], saved?: SavedOptimizerState): OptimizerState
  /**
   * Changes the variables in place. Gradients stay the caller's: one a variable, in the order given to `init`.
   *
   * @returns the global norm of the gradients before clipping. When it is not finite nothing has been changed.
   *   On WebGPU, which cannot be read synchronously, it is NaN and the step is always done.
   * @throws FxError `invalid-argument` for a bad option or count, `shape-mismatch` for a gradient of another shape.
   */
  update(state: OptimizerState, gradients: readonly Tensor[], options: UpdateOptions): number
}

export interface AdamOptions {
  /** Decay of the mean of the gradients. Default 0.9. */
  beta1?: number
  /** Decay of the mean of their squares. Default 0.999. */
  beta2?: number
  /** Added to the divisor. Default 1e-7, as in Keras. */
  epsilon?: number
}

/** Means of the gradients and of their squares, one a variable. */
interface Moments<Slot> {
  readonly m: readonly Slot[]
  readonly v: readonly Slot[]
}

interface AdamState extends OptimizerState {
  step: number
  readonly variables: readonly Variable[]
  /** In the memory of the process, where the backend's tensors lie there too; else on the backend. */
  readonly moments: Moments<Float32Array> | Moments<Variable>
}

const onHost = (moments: AdamState['moments']): moments is Moments<Float32Array> =>
  moments.m.every(slot => slot instanceof Float32Array)

const positive = (name: string, value: number): void => {
  if (!(value > 0) || !Number.isFinite(value)) {
    throw new FxError('invalid-argument', `${name} must be a positive number, got ${value}.`, { details: { value } })
  }
}

const fraction = (name: string, value: number): void => {
  if (!(value >= 0 && value < 1)) {
    throw new FxError('invalid-argument', `${name} must be at least 0 and below 1, got ${value}.`, {
      details: { value },
    })
  }
}

interface Step {
  scale: number
  rate: number
  correction: number
}

/** The same formula as tfjs's own Adam and Keras: epsilon is added after the bias correction. */
const stepWithOps = (
  variables: readonly Variable[],
  moments: Moments<Variable>,
  gradients: readonly Tensor[],
  { scale, rate, correction }: { scale: number | Tensor } & Omit<Step, 'scale'>,
  { beta1, beta2, epsilon }: Required<AdamOptions>,
): void => {
  variables.forEach((variable, i) => {
    tf.tidy(() => {
      const g = tf.mul(gradients[i]!, scale)
      const m = tf.add(tf.mul(moments.m[i]!, beta1), tf.mul(g, 1 - beta1))
      const v = tf.add(tf.mul(moments.v[i]!, beta2), tf.mul(tf.square(g), 1 - beta2))
      moments.m[i]!.assign(m)
      moments.v[i]!.assign(v)
      variable.assign(tf.sub(variable, tf.div(tf.mul(m, rate), tf.add(tf.sqrt(tf.mul(v, correction)), epsilon))))
    })
  })
}

const stepFused = (
  variables: readonly Variable[],
  moments: Moments<Variable>,
  gradients: readonly Tensor[],
  { scale, rate, correction }: Step,
  { beta1, beta2, epsilon }: Required<AdamOptions>,
): void => {
  const backend = wasmBackend()
  const native = nativeKernels(backend)
  variables.forEach((variable, i) => {
    native.adamStep(
      writableAddress(backend, variable),
      addressOf(backend, gradients[i]!),
      writableAddress(backend, moments.m[i]!),
      writableAddress(backend, moments.v[i]!),
      variable.size,
      scale,
      beta1,
      beta2,
      rate,
      correction,
      epsilon,
    )
  })
}

const stepOnHost = (
  variables: readonly Variable[],
  moments: Moments<Float32Array>,
  gradients: readonly Tensor[],
  { scale, rate, correction }: Step,
  { beta1, beta2, epsilon }: Required<AdamOptions>,
): void => {
  variables.forEach((variable, n) => {
    const [m, v] = [moments.m[n]!, moments.v[n]!]
    const gradient = gradients[n]!.dataSync<'float32'>()
    const values = variable.dataSync<'float32'>()
    const next = new Float32Array(values.length)
    for (let i = 0; i < next.length; i++) {
      const g = gradient[i]! * scale
      const mean = m[i]! * beta1 + g * (1 - beta1)
      const square = v[i]! * beta2 + g * g * (1 - beta2)
      m[i] = mean
      v[i] = square
      next[i] = values[i]! - (mean * rate) / (Math.sqrt(square * correction) + epsilon)
    }
    replaceValues(variable, next)
  })
}

const normWithOps = (gradients: readonly Tensor[]): Tensor =>
  tf.tidy(() => tf.sqrt(tf.addN(gradients.map(gradient => tf.sum(tf.square(gradient))))))

const normOnHost = (gradients: readonly Tensor[]): number => {
  let sum = 0
  for (const gradient of gradients) {
    const values = gradient.dataSync<'float32'>()
    for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!
  }
  return Math.sqrt(sum)
}

const normFused = (gradients: readonly Tensor[]): number => {
  const backend = wasmBackend()
  const native = nativeKernels(backend)
  let sum = 0
  for (const gradient of gradients) sum += native.sumOfSquares(addressOf(backend, gradient), gradient.size)
  return Math.sqrt(sum)
}

const backendMoments = (variables: readonly Variable[], saved: SavedOptimizerState | undefined): Moments<Variable> => {
  const slots = (name: string) => createSlots(name, variables, saved, variable => tf.zerosLike(variable))
  const m = slots('m')
  try {
    return { m, v: slots('v') }
  } catch (error) {
    tf.dispose(m)
    throw error
  }
}

const hostMoments = (
  variables: readonly Variable[],
  saved: SavedOptimizerState | undefined,
): Moments<Float32Array> => ({
  m: createHostSlots('m', variables, saved),
  v: createHostSlots('v', variables, saved),
})

const saveMoments = async (moments: AdamState['moments']): Promise<Record<string, Float32Array>> => {
  const slots = onHost(moments)
    ? [saveHostSlots('m', moments.m), saveHostSlots('v', moments.v)]
    : await Promise.all([saveSlots('m', moments.m), saveSlots('v', moments.v)])
  return Object.fromEntries(slots.flat())
}

const checkGradients = (variables: readonly Variable[], gradients: readonly Tensor[]): void => {
  if (gradients.length !== variables.length) {
    throw new FxError(
      'invalid-argument',
      `update got ${gradients.length} gradients for ${variables.length} variables; give one each, in the order of init.`,
    )
  }
  variables.forEach((variable, i) => {
    if (!gradients[i]) throw new FxError('invalid-argument', `The gradient of '${variable.name}' is ${gradients[i]}.`)
    if (!tf.util.arraysEqual(variable.shape, gradients[i].shape)) {
      throw new FxError(
        'shape-mismatch',
        `The gradient of '${variable.name}' has shape [${gradients[i]!.shape}], the variable has [${variable.shape}].`,
      )
    }
  })
}

/**
 * Adam (Kingma and Ba 2015), with optional clipping by the global norm. On wasm with `installTrainingKernels` a step is
 * one fused pass a variable, on cpu and tfjs-node one loop; elsewhere it is made of tfjs operations. Same numbers either way, to float rounding.
 *
 * @throws FxError `invalid-argument` for an option out of range.
 */
export const adam = (options: AdamOptions = {}): Optimizer => {
  const settings = { beta1: 0.9, beta2: 0.999, epsilon: 1e-7, ...options }
  fraction('beta1', settings.beta1)
  fraction('beta2', settings.beta2)
  positive('epsilon', settings.epsilon)

  return {
    init(variables, saved) {
      const moments = inHostMemory() ? hostMoments(variables, saved) : backendMoments(variables, saved)
      const state: AdamState = {
        step: saved?.step ?? 0,
        variables: [...variables],
        moments,
        async save() {
          const { step } = state
          return { step, slots: await saveMoments(moments) }
        },
        dispose: () => {
          if (!onHost(moments)) tf.dispose([...moments.m, ...moments.v])
        },
      }
      return state
    },

    update(given, gradients, { learningRate, clipNorm }) {
      const state = given as AdamState
      if (!(learningRate >= 0) || !Number.isFinite(learningRate)) {
        throw new FxError('invalid-argument', `learningRate must be zero or positive, got ${learningRate}.`)
      }
      if (clipNorm !== undefined) positive('clipNorm', clipNorm)
      checkGradients(state.variables, gradients)
      const t = state.step + 1
      const bias = { rate: learningRate / (1 - settings.beta1 ** t), correction: 1 / (1 - settings.beta2 ** t) }

      const { variables, moments } = state

      if (onHost(moments)) {
        const norm = normOnHost(gradients)
        if (!Number.isFinite(norm)) return norm
        const scale = clipNorm && norm > clipNorm ? clipNorm / norm : 1
        stepOnHost(variables, moments, gradients, { scale, ...bias }, settings)
        state.step = t
        return norm
      }

      if (tf.getBackend() === 'webgpu') {
        tf.tidy(() => {
          const scale = clipNorm ? tf.minimum(1, tf.div(clipNorm, normWithOps(gradients))) : 1
          stepWithOps(variables, moments, gradients, { scale, ...bias }, settings)
        })
        state.step = t
        return Number.NaN
      }

      const fused = nativeReady()
      const norm = fused ? normFused(gradients) : tf.tidy(() => normWithOps(gradients).dataSync()[0]!)
      if (!Number.isFinite(norm)) return norm
      const scale = clipNorm && norm > clipNorm ? clipNorm / norm : 1
      const step = fused ? stepFused : stepWithOps
      step(variables, moments, gradients, { scale, ...bias }, settings)
      state.step = t
      return norm
    },
  }
}
