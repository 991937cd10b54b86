import { loadFloat32, type WeightTensor } from '@fx/weights'

/** A weight of a checkpoint in the layout of tfjs, its elements still in the file. */
export interface StoredWeight {
  /** What the checkpoint calls it. */
  readonly source: string
  readonly shape: readonly number[]
  /** Row-major elements, of the caller's own. */
  load(): Promise<Float32Array>
}

/**
 * The weights of a checkpoint by our names: layer, then weight (`kernel`, `depthwise_kernel`, `bias`, `gamma`, `beta`,
 * `moving_mean`, `moving_variance`). A batch normalisation that the checkpoint has folded has `scale` and `offset`.
 */
export type StoredLayers = ReadonlyMap<string, ReadonlyMap<string, StoredWeight>>

/** Gathers weights by layer. */
export class StoredLayersBuilder {
  readonly layers = new Map<string, Map<string, StoredWeight>>()

  add(layer: string, weight: string, stored: StoredWeight): void {
    const weights = this.layers.get(layer) ?? new Map<string, StoredWeight>()
    this.layers.set(layer, weights.set(weight, stored))
  }
}

/** A weight that is laid out as tfjs has it. */
export const asStored = (source: string, tensor: WeightTensor): StoredWeight => ({
  source,
  shape: tensor.shape,
  load: () => loadFloat32(tensor),
})

/** A weight of which axis `i` is axis `axes[i]` of the checkpoint's. */
export const transposed = (source: string, tensor: WeightTensor, axes: readonly number[]): StoredWeight => {
  const shape = axes.map(axis => tensor.shape[axis]!)
  return {
    source,
    shape,
    load: async () => {
      const values = await loadFloat32(tensor)
      const strides = tensor.shape.map((_, axis) => tensor.shape.slice(axis + 1).reduce((a, b) => a * b, 1))
      const result = new Float32Array(values.length)
      const index = axes.map(() => 0)
      for (let to = 0; to < result.length; to++) {
        result[to] = values[index.reduce((from, at, i) => from + at * strides[axes[i]!]!, 0)]!
        for (let i = axes.length - 1; i >= 0 && ++index[i]! === shape[i]; i--) index[i] = 0
      }
      return result
    },
  }
}
