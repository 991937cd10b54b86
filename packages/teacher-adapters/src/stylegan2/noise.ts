import { type SeededRandom, seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import type { Store } from '../network/store.js'
import type { StyleLayer } from './config.js'
import { arithmetic } from './ops.js'

/**
 * Per-pixel noise: the generator's own constant maps, none, or drawn. A seed names the stream of a whole batch (image i
 * has its own), an array gives each image its stream, so that an image does not depend on the batch it is made in.
 */
export type Noise = 'none' | 'const' | { seed: number | string } | { seeds: readonly (number | string)[] }

/** The next `[N, side, side, 1]` normal values of the streams. */
const drawn = (streams: readonly SeededRandom[], side: number): tf.Tensor4D => {
  const pixels = side * side
  const values = new Float32Array(streams.length * pixels)
  streams.forEach(({ uniform }, image) => {
    // Box-Muller, both of its values: half the time of `random.normal()`.
    for (let i = image * pixels; i < (image + 1) * pixels; i += 2) {
      const radius = Math.sqrt(-2 * Math.log(1 - uniform()))
      const angle = 2 * Math.PI * uniform()
      values[i] = radius * Math.cos(angle)
      values[i + 1] = radius * Math.sin(angle)
    }
  })
  return tf.tensor4d(values, [streams.length, side, side, 1])
}

/** The noise of a batch by layer, `[N, R, R, 1]` each; none where it is not drawn. An image's layers share its stream. */
export const drawMaps = (noise: Noise, batch: number, layers: readonly StyleLayer[]): tf.Tensor4D[] => {
  if (typeof noise === 'string') return []
  const streams = Array.from({ length: batch }, (_, image) =>
    'seeds' in noise ? seededRandom(noise.seeds[image]!, 'noise') : seededRandom(noise.seed, image, 'noise'),
  )
  return layers.map(({ resolution }) => drawn(streams, resolution))
}

/** The layer's bias times `scale`, `[C]`. */
export const scaledBias = (store: Store, { name }: StyleLayer, scale: number): tf.Tensor1D =>
  store.derived(`${name} bias ${scale}`, () => tf.mul(store.get<tf.Tensor1D>(`synthesis.${name}.bias`), scale))

/** The most values of a map of noise and bias that is kept: the last layers at 1024 pixels would take 130 MB each. */
const MOST_KEPT = 2 ** 22

/** What a batch adds to its convolutions, times the factor that the activation asks for. */
export interface Offsets {
  /** The noise of a layer times its strength, `[1 or N, R, R, 1]`; undefined for none. */
  noise(layer: StyleLayer, scale: number): tf.Tensor4D | undefined
  /** Noise and bias: `[1 or N, R, R, C]`, or `[C]` without noise. */
  sum(layer: StyleLayer, scale: number): tf.Tensor
  /** The same for each image of a batch. */
  ofImages(batch: number): Offsets[]
}

/** @param maps drawn ones by the name of their layer. */
const offsetsOf = (store: Store, kind: 'none' | 'const' | 'drawn', maps: ReadonlyMap<string, tf.Tensor4D>): Offsets => {
  const noise: Offsets['noise'] = ({ name, resolution }, scale) => {
    if (kind === 'none') return undefined
    const strength = () => tf.mul<tf.Scalar>(store.get<tf.Scalar>(`synthesis.${name}.noise_strength`), scale)
    if (kind === 'drawn') {
      const { mul } = arithmetic(store)
      return mul<tf.Tensor4D>(maps.get(name)!, store.derived(`${name} strength ${scale}`, strength))
    }
    return store.derived(`${name} noise ${scale}`, () => {
      const map = tf.reshape(store.get(`synthesis.${name}.noise_const`), [1, resolution, resolution, 1]) as tf.Tensor4D
      return tf.mul<tf.Tensor4D>(map, strength())
    })
  }
  const offsets: Offsets = {
    noise,
    sum(layer, scale) {
      const bias = scaledBias(store, layer, scale)
      const map = noise(layer, scale)
      if (!map) return bias
      const sum = () => arithmetic(store).add<tf.Tensor4D>(map, bias)
      const kept = kind === 'const' && layer.resolution ** 2 * layer.outChannels <= MOST_KEPT
      return kept ? store.derived(`${layer.name} noise and bias ${scale}`, sum) : sum()
    },
    ofImages(batch) {
      const ones = Array<number>(batch).fill(1)
      const split = [...maps].map(([name, map]) => [name, arithmetic(store).split(map, ones, 0)] as const)
      return ones.map((_, i) =>
        kind === 'drawn' ? offsetsOf(store, kind, new Map(split.map(([name, each]) => [name, each[i]!]))) : offsets,
      )
    },
  }
  return offsets
}

/** @param maps what `drawMaps` drew for these layers. */
export const createOffsets = (
  store: Store,
  noise: Noise,
  layers: readonly StyleLayer[],
  maps: readonly tf.Tensor4D[],
): Offsets =>
  offsetsOf(store, typeof noise === 'string' ? noise : 'drawn', new Map(maps.map((map, i) => [layers[i]!.name, map])))
