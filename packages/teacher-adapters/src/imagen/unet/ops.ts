import * as tf from '@tensorflow/tfjs-core'
import type { Store } from '../../network/store.js'

/** `x W + b` over the last axis of `[N, C]` or `[N, L, C]`. */
export const linear = <T extends tf.Tensor>(store: Store, name: string, x: T): T => {
  const weight = store.get<tf.Tensor2D>(`${name}.weight`)
  const bias = store.get<tf.Tensor1D>(`${name}.bias`)
  const rows = tf.reshape(x, [-1, weight.shape[0]]) as tf.Tensor2D
  const product = tf.add(tf.matMul(rows, weight), bias)
  return tf.reshape(product, [...x.shape.slice(0, -1), weight.shape[1]]) as T
}

export const conv = (store: Store, name: string, x: tf.Tensor4D): tf.Tensor4D =>
  tf.add(tf.conv2d(x, store.get<tf.Tensor4D>(`${name}.weight`), 1, 'same'), store.get<tf.Tensor1D>(`${name}.bias`))

/** `x sigmoid(x)`. tfjs would keep and pass four tensors for its gradient. */
const silu = <T extends tf.Tensor>(x: T): T =>
  tf.customGrad((x, save) => {
    const gate = tf.sigmoid(x as tf.Tensor)
    const value = tf.mul(x as tf.Tensor, gate)
    ;(save as tf.GradSaveFunc)([gate, value])
    return {
      value,
      // s + x s (1 - s)
      gradFunc: (dy: tf.Tensor, [gate, value]: tf.Tensor[]) =>
        tf.mul(dy, tf.add(gate!, tf.mul(value!, tf.sub(1, gate!)))),
    }
  })(x) as T

/** The exact GELU, `x Phi(x)` (Hendrycks and Gimpel, 2016). */
const gelu = <T extends tf.Tensor>(x: T): T => tf.mul(x, tf.add(tf.mul(tf.erf(tf.mul(x, Math.SQRT1_2)), 0.5), 0.5)) as T

export const activation = <T extends tf.Tensor>(name: 'gelu' | 'silu', x: T): T => (name === 'silu' ? silu(x) : gelu(x))

interface Modulation {
  /** `[N, C]`: the normalised values are multiplied by `1 + scale`, ... */
  scale: tf.Tensor2D
  /** ... and this is added. */
  shift: tf.Tensor2D
}

interface GroupNormOptions {
  groups: number
  epsilon: number
  modulation?: Modulation
  /** The activation after all that. Default: none. */
  actFn?: 'gelu' | 'silu'
}

/** The kernel of `@fx/backend/training` that does all of it, on wasm; it is differentiable once. */
const FUSED = 'FxGroupNorm'

const fusible = (): boolean => tf.engine().state.gradientDepth < 2 && tf.getKernel(FUSED, tf.getBackend()) !== undefined

/** `(x - mean) / deviation`: the image is passed twice for its moments and twice more. */
const normalised = (x: tf.Tensor4D, groups: number, epsilon: number): tf.Tensor4D => {
  const [n, , , channels] = x.shape
  const members = channels / groups
  /** The mean over a group of what was averaged over space, for each channel again. */
  const grouped = (means: tf.Tensor): tf.Tensor =>
    tf.mean(tf.reshape(means, [n, groups, members]) as tf.Tensor3D, 2, true)
  const spread = (perGroup: tf.Tensor): tf.Tensor4D =>
    tf.reshape(tf.tile(perGroup, [1, 1, members]), [n, 1, 1, channels]) as tf.Tensor4D
  const normalise = (x: tf.Tensor4D, save: (tensors: tf.Tensor[]) => void) => {
    const mean = spread(grouped(tf.mean(x, [1, 2])))
    // Centred first: the difference of two large sums would lose what is small.
    const centred = tf.sub(x, mean)
    const variance = grouped(tf.mean(tf.square(centred), [1, 2]))
    const inverse = spread(tf.rsqrt(tf.add(variance, epsilon)))
    const value = tf.mul(centred, inverse) as tf.Tensor4D
    save([value, inverse])
    const gradFunc = (dy: tf.Tensor4D, [value, inverse]: tf.Tensor[]): tf.Tensor4D => {
      const meanOf = (t: tf.Tensor): tf.Tensor4D => spread(grouped(tf.mean(t, [1, 2])))
      const across = tf.mul(value!, meanOf(tf.mul(dy, value!)))
      return tf.mul(tf.sub(tf.sub(dy, meanOf(dy)), across), inverse!)
    }
    return { value, gradFunc }
  }
  return tf.customGrad(normalise as never)(x) as tf.Tensor4D
}

/**
 * Group normalisation of `[N, H, W, C]` over space and the channels of a group, perhaps a modulation after it, which makes
 * one scale and one offset for each image and channel, and perhaps an activation.
 *
 * Source: Wu and He, "Group normalization", ECCV 2018; scale and shift: Dhariwal and Nichol, NeurIPS 2021, section 3.1.
 */
export const groupNorm = (
  store: Store,
  name: string,
  x: tf.Tensor4D,
  { groups, epsilon, modulation, actFn }: GroupNormOptions,
): tf.Tensor4D => {
  let scale: tf.Tensor = store.get<tf.Tensor1D>(`${name}.weight`)
  let shift: tf.Tensor = store.get<tf.Tensor1D>(`${name}.bias`)
  if (modulation) {
    const gain = tf.add(1, modulation.scale)
    const perImage = (t: tf.Tensor): tf.Tensor => tf.reshape(t, [x.shape[0], 1, 1, x.shape[3]])
    shift = perImage(tf.add(tf.mul(shift, gain), modulation.shift))
    scale = perImage(tf.mul(scale, gain))
  }
  if (fusible()) {
    const silu = actFn === 'silu'
    const [y] = tf.engine().runKernel(FUSED, { x, scale, shift }, { groups, epsilon, silu }) as unknown as [tf.Tensor4D]
    return actFn === 'gelu' ? gelu(y) : y
  }
  const y = tf.add<tf.Tensor4D>(tf.mul(normalised(x, groups, epsilon), scale), shift)
  return actFn ? activation(actFn, y) : y
}

export const layerNorm = <T extends tf.Tensor>(store: Store, name: string, x: T): T => {
  const { mean, variance } = tf.moments(x, -1, true)
  const normalised = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5)))
  return tf.add(tf.mul(normalised, store.get(`${name}.weight`)), store.get(`${name}.bias`)) as T
}
