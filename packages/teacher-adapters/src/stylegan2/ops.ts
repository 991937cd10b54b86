import * as tf from '@tensorflow/tfjs-core'
import type { Store } from '../network/store.js'
import { recording } from './recording.js'
import { type TensorflowOperations, tensorflow } from './tensorflow.js'

/** Inside square roots, as in the reference implementation. */
export const EPSILON = 1e-8

/**
 * The factor that whatever enters `leakyRelu` must carry: `0.8 * sqrt(2)`. It is folded into small tensors (demodulation
 * coefficients, biases, discriminator weights), so that it costs no pass over the activations.
 */
export const ACTIVATION_SCALE = 0.8 * Math.SQRT2

/** How much of its input `leakyRelu` adds to the relu of it. */
export const ACTIVATION_SLOPE = 0.25

/**
 * `sqrt(2) * leakyRelu(x, 0.2)`, given `ACTIVATION_SCALE * x`. As relu(a) + a / 4 it takes a third of the time of tfjs's
 * own operation on wasm, and its gradient is differentiable with stock gradients.
 */
export const leakyRelu = <T extends tf.Tensor>(scaled: T): T =>
  tf.add<T>(tf.relu(scaled), tf.mul(scaled, ACTIVATION_SLOPE))

/** The arithmetic of small tensors, which costs little more than starting its operations. */
type Arithmetic = Pick<
  TensorflowOperations,
  'add' | 'concat' | 'matMul' | 'mul' | 'rowMeans' | 'rsqrt' | 'split' | 'square'
>

const throughTfjs: Arithmetic = {
  add: (a, b) => tf.add(a, b),
  concat: (parts, axis) => tf.concat([...parts], axis),
  matMul: (a, b) => tf.matMul(a, b),
  mul: (a, b) => tf.mul(a, b),
  rowMeans: x => tf.mean(x, 1, true),
  rsqrt: x => tf.rsqrt(x),
  split: (x, sizes, axis) => tf.split(x, [...sizes], axis),
  square: x => tf.square(x),
}

export const arithmetic = (store: Store): Arithmetic => tensorflow(store) ?? throughTfjs

/** A leaky relu with its gain, and the factor that whatever enters it must carry. */
export interface Activation {
  scale: number
  apply<T extends tf.Tensor>(scaled: T): T
}

/** The leaky relu that costs least here: tfjs's own is one pass in place of three, but slow on wasm and once only differentiable. */
export const cheapestActivation = (store: Store): Activation => {
  if (recording() || tf.getBackend() === 'wasm') return { scale: ACTIVATION_SCALE, apply: leakyRelu }
  return { scale: Math.SQRT2, apply: tensorflow(store)?.leakyRelu ?? (x => tf.leakyRelu(x, 0.2)) }
}

/** Limits activations to +-`limit` when there is one. */
export const clamp = <T extends tf.Tensor>(x: T, limit: number | null): T =>
  limit === null ? x : tf.clipByValue(x, -limit, limit)

/** `x / sqrt(mean(x^2))` per row of `[N, C]`. */
export const normalise = (store: Store, x: tf.Tensor2D): tf.Tensor2D => {
  const { add, mul, rowMeans, rsqrt, square } = arithmetic(store)
  return mul(x, rsqrt(add(rowMeans(square(x)), EPSILON)))
}

/**
 * A fully connected layer with equalised learning rate: the stored weight counts `lr / sqrt(inputs)`, the bias `lr`;
 * both also `scale`.
 */
export const dense = (store: Store, name: string, x: tf.Tensor2D, { lr = 1, scale = 1 } = {}): tf.Tensor2D => {
  const weight = store.derived(`${name} weight ${scale}`, () => {
    const stored = store.get<tf.Tensor2D>(`${name}.weight`)
    return tf.mul<tf.Tensor2D>(stored, (scale * lr) / Math.sqrt(stored.shape[0]))
  })
  const bias = store.derived(`${name} bias ${scale}`, () => tf.mul(store.get<tf.Tensor1D>(`${name}.bias`), scale * lr))
  // Two operations; `tf.fused.matMul` would be four, with its changes of rank.
  const { add, matMul } = arithmetic(store)
  return add(matMul(x, weight), bias)
}

const TAPS = [1, 3, 3, 1]

/** The same 1-D filter for every channel, down or across. */
const filter1d = (store: Store, channels: number, gain: number, across: boolean): tf.Tensor4D =>
  store.constant(`fir ${channels} ${gain} ${across}`, () => {
    const taps = tf.tensor4d(
      TAPS.map(tap => (tap * gain) / 8),
      across ? [1, 4, 1, 1] : [4, 1, 1, 1],
    )
    return tf.tile(taps, [1, 1, channels, 1])
  })

/**
 * Low-pass filter [1, 3, 3, 1] x [1, 3, 3, 1] after padding with `pad` zeros on each side: the size changes by
 * `2 pad - 3`. `gain` is per axis. In two passes; the padding is an operation of its own because tfjs-node knows only
 * 'same' and 'valid' in gradients.
 */
export const lowPass = (store: Store, x: tf.Tensor4D, pad: number, gain: number): tf.Tensor4D => {
  const channels = x.shape[3]
  const margin: [number, number] = [pad, pad]
  const padded = tf.pad(x, [[0, 0], margin, margin, [0, 0]])
  const columns = tf.depthwiseConv2d(padded, filter1d(store, channels, gain, false), 1, 'valid')
  return tf.depthwiseConv2d(columns, filter1d(store, channels, gain, true), 1, 'valid')
}

/** Low-pass filter and every second pixel: half the size. */
export const downsample = (store: Store, x: tf.Tensor4D): tf.Tensor4D => {
  const channels = x.shape[3]
  const filter = store.constant(`down ${channels}`, () =>
    tf.mul<tf.Tensor4D>(filter1d(store, channels, 1, false), filter1d(store, channels, 1, true)),
  )
  return tf.depthwiseConv2d(x, filter, 2, 'same')
}

/**
 * Twice the size: zeros between the pixels, then the low-pass filter with gain 4. Every output pixel depends on 2 x 2
 * input pixels, so one 3 x 3 convolution at the small size gives all four phases, and a transposition interleaves them.
 */
export const upsampleImage = (store: Store, image: tf.Tensor4D): tf.Tensor4D => {
  const [n, height, width, channels] = image.shape
  const filter = store.constant(`up ${channels}`, () => {
    // Weights of the left, middle and right neighbour for the even and for the odd output pixel.
    const phases = [
      [1, 3, 0],
      [0, 3, 1],
    ]
    const at = (y: number, x: number, input: number, output: number): number => {
      const phase = Math.floor(output / channels)
      const same = output % channels === input
      return same ? (phases[phase >> 1]![y]! * phases[phase & 1]![x]!) / 16 : 0
    }
    const values = [0, 1, 2].flatMap(y =>
      [0, 1, 2].flatMap(x =>
        Array.from({ length: channels * 4 * channels }, (_, i) =>
          at(y, x, Math.floor(i / (4 * channels)), i % (4 * channels)),
        ),
      ),
    )
    return tf.tensor4d(values, [3, 3, channels, 4 * channels])
  })
  const phases = tf.reshape(tf.conv2d(image, filter, 1, 'same'), [n * height, width, 2, 2 * channels])
  return tf.reshape(tf.transpose(phases, [0, 2, 1, 3]), [n, 2 * height, 2 * width, channels])
}
