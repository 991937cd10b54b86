import * as tf from '@tensorflow/tfjs-core'
import type { Store } from '../network/store.js'
import type { StyleLayer } from './config.js'
import { arithmetic, EPSILON } from './ops.js'

/** A style vector `[N, inChannels]` for every layer, by its name (`b8.conv0`): the coordinates of StyleSpace. */
export type Styles = Record<string, tf.Tensor2D>

const affine = ({ name }: StyleLayer): string => `synthesis.${name}.affine`

/** The affine weights of some layers side by side, `[wDim, sum of inChannels]`, with their equalised learning rate. */
const affineWeights = (store: Store, key: string, layers: readonly StyleLayer[]): tf.Tensor2D =>
  store.derived(`affine weights ${key}`, () => {
    const each = layers.map(layer => store.get<tf.Tensor2D>(`${affine(layer)}.weight`))
    return tf.mul<tf.Tensor2D>(tf.concat2d(each, 1), 1 / Math.sqrt(each[0]!.shape[0]))
  })

/**
 * The style vectors of all layers side by side, `[N, sum of inChannels]`, in the order of the layers: the affine maps of
 * w `[N, wDim]`, or of each layer's row of W+. For `rgb` layers before their 1/sqrt(inChannels), as in StyleSpace (Wu et
 * al., CVPR 2021). One product for all, since networks of small images spend their time on starting operations.
 */
export const joinedStyles = (
  store: Store,
  layers: readonly StyleLayer[],
  w: tf.Tensor2D | tf.Tensor3D,
): tf.Tensor2D => {
  const { add, matMul } = arithmetic(store)
  const bias = store.derived('affine bias', () =>
    tf.concat1d(layers.map(layer => store.get<tf.Tensor1D>(`${affine(layer)}.bias`))),
  )
  if (w.rank === 2) return add(matMul(w as tf.Tensor2D, affineWeights(store, 'all', layers)), bias)
  // Layers of one row follow each other.
  const products = tf.unstack(w, 1).map((row, index) => {
    const ofRow = layers.filter(layer => layer.row === index)
    return matMul(row as tf.Tensor2D, affineWeights(store, `${index}`, ofRow))
  })
  return add(tf.concat2d(products, 1), bias)
}

/** Joined styles to one vector a layer. */
export const stylesByLayer = (layers: readonly StyleLayer[], joined: tf.Tensor2D): Styles => {
  const each = tf.split<tf.Tensor2D>(
    joined,
    layers.map(({ inChannels }) => inChannels),
    1,
  )
  return Object.fromEntries(layers.map(({ name }, i) => [name, each[i]!]))
}

/** One vector a layer to joined styles. */
export const joinStyles = (layers: readonly StyleLayer[], styles: Styles): tf.Tensor2D =>
  tf.concat2d(
    layers.map(({ name }) => styles[name]!),
    1,
  )

/** Sums over the taps of squared weights, over `scale^2`: `[inChannels, outChannels]`. */
export const squaredWeights = (store: Store, { name, kind }: StyleLayer, scale: number): tf.Tensor2D =>
  store.derived(`${name} squares ${scale}`, () => {
    const squared = tf.square(store.get<tf.Tensor4D>(`synthesis.${name}.weight`))
    const sums = tf.mul(tf.sum(squared, [0, 1]), 1 / scale ** 2) as tf.Tensor2D
    return kind === 'up' ? tf.transpose(sums) : sums
  })

/** The layers whose output is demodulated. */
export const modulatedLayers = (layers: readonly StyleLayer[]): StyleLayer[] =>
  layers.filter(({ kind }) => kind !== 'rgb')

/**
 * `scale / sqrt(sum over inputs and taps of (weight * style)^2 + eps)` of the modulated layers side by side,
 * `[N, sum of outChannels]`.
 */
export const joinedDemodulations = (
  store: Store,
  layers: readonly StyleLayer[],
  joined: tf.Tensor2D,
  scale: number,
): tf.Tensor2D => {
  const { add, concat, matMul, rsqrt, split, square } = arithmetic(store)
  const squared = split(
    square(joined),
    layers.map(({ inChannels }) => inChannels),
    1,
  )
  const sums = layers.flatMap((layer, i) =>
    layer.kind === 'rgb' ? [] : [matMul(squared[i]!, squaredWeights(store, layer, scale))],
  )
  return rsqrt(add<tf.Tensor2D>(concat(sums, 1), EPSILON / scale ** 2))
}
