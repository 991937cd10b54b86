import * as tf from '@tensorflow/tfjs-core'
import type { ParameterSpec } from './parameter.js'
import { checkWeights, fromTensorLayout, type NamedWeight, type NamedWeights, toTensorLayout } from './weights.js'

/** A network's parameters on the backend, and what is computed from them alone. */
export interface Store {
  /** Every parameter and buffer by its name, in tfjs's layout; variables when trainable. */
  readonly parameters: ReadonlyMap<string, tf.Tensor>
  get<T extends tf.Tensor>(name: string): T
  /**
   * A value computed from parameters alone, such as sums of squared weights. Computed once when the parameters are
   * frozen, else each time, so that gradients flow and an optimiser's step is seen.
   */
  derived<T extends tf.Tensor>(key: string, compute: () => T): T
  /** A value that depends on no parameter; computed once. */
  constant<T extends tf.Tensor>(key: string, compute: () => T): T
  /** Something else that is made once and lives as long as the network. */
  resource<T extends { dispose(): void }>(key: string, make: () => T): T
  /** Whether the parameters may change. */
  readonly trainable: boolean
  /** Copies of the parameters and buffers, in PyTorch's layout. */
  weights(): Promise<Map<string, NamedWeight>>
  dispose(): void
}

/**
 * @param network what errors call it: `stylegan2: the generator`.
 * @throws FxError as `checkWeights` does; then no tensor was made.
 */
export const createStore = (
  network: string,
  specs: readonly ParameterSpec[],
  weights: NamedWeights,
  trainable: boolean,
): Store => {
  checkWeights(network, specs, weights)
  const parameters = new Map<string, tf.Tensor>(
    specs.map(spec => {
      const value = tf.keep(tf.tensor(toTensorLayout(spec, weights.get(spec.name)!.data), spec.tensorShape))
      if (!trainable) return [spec.name, value]
      const variable = tf.variable(value, !spec.buffer)
      value.dispose()
      return [spec.name, variable]
    }),
  )
  const cache = new Map<string, tf.Tensor>()
  const constant = <T extends tf.Tensor>(key: string, compute: () => T): T => {
    const known = cache.get(key)
    if (known) return known as T
    const value = tf.keep(tf.tidy(compute))
    cache.set(key, value)
    return value
  }
  const resources = new Map<string, { dispose(): void }>()
  return {
    parameters,
    trainable,
    get: name => parameters.get(name) as never,
    derived: trainable ? (_, compute) => compute() : constant,
    constant,
    resource<T extends { dispose(): void }>(key: string, make: () => T): T {
      const known = resources.get(key)
      if (known) return known as T
      const made = make()
      resources.set(key, made)
      return made
    },
    async weights() {
      const entries = specs.map(async (spec): Promise<[string, NamedWeight]> => {
        const data = (await parameters.get(spec.name)!.data()) as Float32Array
        return [spec.name, { shape: spec.shape, data: fromTensorLayout(spec, data) }]
      })
      return new Map(await Promise.all(entries))
    },
    dispose() {
      for (const tensor of [...parameters.values(), ...cache.values()]) tensor.dispose()
      cache.clear()
      for (const resource of resources.values()) resource.dispose()
      resources.clear()
    },
  }
}
