import { type SeededRandom, seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import type { Store } from '../network/store.js'
import type { StyleLayer } from './config.js'
import {
  ACTIVATION_SCALE,
  ACTIVATION_SLOPE,
  cheapestActivation,
  clamp,
  EPSILON,
  lowPass,
  recording,
  upsampleImage,
} from './ops.js'

/**
 * Per-pixel noise: the generator's own constant maps, none, or drawn. A seed names the stream of a whole batch (image i
 * has its own), an array gives each image its stream, so that an image does not depend on the batch it is made in.
 */
export type Noise = 'none' | 'const' | { seed: number | string } | { seeds: readonly (number | string)[] }

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
  const bias = store.derived('affine bias', () =>
    tf.concat1d(layers.map(layer => store.get<tf.Tensor1D>(`${affine(layer)}.bias`))),
  )
  if (w.rank === 2) return tf.add<tf.Tensor2D>(tf.matMul(w, affineWeights(store, 'all', layers)), bias)
  // Layers of one row follow each other.
  const products = tf.unstack(w, 1).map((row, index) => {
    const ofRow = layers.filter(layer => layer.row === index)
    return tf.matMul<tf.Tensor2D>(row, affineWeights(store, `${index}`, ofRow))
  })
  return tf.add<tf.Tensor2D>(tf.concat2d(products, 1), bias)
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

/** `[N, C]` to one `[N, 1, 1, size]` for each size. */
const splitChannels = (x: tf.Tensor2D, sizes: number[]): tf.Tensor4D[] =>
  tf.split(tf.reshape(x, [x.shape[0], 1, 1, x.shape[1]]) as tf.Tensor4D, sizes, 3)

/** Sums over the taps of squared weights, over `scale^2`: `[inChannels, outChannels]`. */
const squaredWeights = (store: Store, { name, kind }: StyleLayer, scale: number): tf.Tensor2D =>
  store.derived(`${name} squares ${scale}`, () => {
    const squared = tf.square(store.get<tf.Tensor4D>(`synthesis.${name}.weight`))
    const sums = tf.mul(tf.sum(squared, [0, 1]), 1 / scale ** 2) as tf.Tensor2D
    return kind === 'up' ? tf.transpose(sums) : sums
  })

/** `scale / sqrt(sum over inputs and taps of (weight * style)^2 + eps)`, `[N, 1, 1, outChannels]`, by layer. */
const demodulations = (
  store: Store,
  layers: readonly StyleLayer[],
  joined: tf.Tensor2D,
  scale: number,
): Map<StyleLayer, tf.Tensor4D> => {
  const squared = stylesByLayer(layers, tf.square(joined))
  const modulated = layers.filter(({ kind }) => kind !== 'rgb')
  const sums = tf.concat2d(
    modulated.map(layer => tf.matMul<tf.Tensor2D>(squared[layer.name]!, squaredWeights(store, layer, scale))),
    1,
  )
  const coefficients = splitChannels(
    tf.rsqrt(tf.add<tf.Tensor2D>(sums, EPSILON / scale ** 2)),
    modulated.map(({ outChannels }) => outChannels),
  )
  return new Map(modulated.map((layer, i) => [layer, coefficients[i]!]))
}

/** The stream of each image, for one synthesis: its layers draw from it in turn. */
const noiseStreams = (noise: Noise, batch: number): SeededRandom[] => {
  if (typeof noise === 'string') return []
  return Array.from({ length: batch }, (_, image) =>
    'seeds' in noise ? seededRandom(noise.seeds[image]!, 'noise') : seededRandom(noise.seed, image, 'noise'),
  )
}

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

/** The noise of a layer times its strength and `scale`, `[1 or N, R, R, 1]`; undefined for none. */
type NoiseMaps = (layer: StyleLayer, scale: number) => tf.Tensor4D | undefined

const noiseMaps = (store: Store, noise: Noise, batch: number): NoiseMaps => {
  const streams = noiseStreams(noise, batch)
  return ({ name, resolution }, scale) => {
    if (noise === 'none') return undefined
    const strength = () => tf.mul<tf.Scalar>(store.get<tf.Scalar>(`synthesis.${name}.noise_strength`), scale)
    if (noise !== 'const') {
      return tf.mul<tf.Tensor4D>(drawn(streams, resolution), store.derived(`${name} strength ${scale}`, strength))
    }
    return store.derived(`${name} noise ${scale}`, () => {
      const map = tf.reshape(store.get(`synthesis.${name}.noise_const`), [1, resolution, resolution, 1]) as tf.Tensor4D
      return tf.mul<tf.Tensor4D>(map, strength())
    })
  }
}

/** The layer's bias times `scale`, `[C]`. */
const scaledBias = (store: Store, { name }: StyleLayer, scale: number): tf.Tensor1D =>
  store.derived(`${name} bias ${scale}`, () => tf.mul(store.get<tf.Tensor1D>(`synthesis.${name}.bias`), scale))

/** The kernel of `@fx/backend/training` that does in one pass, on wasm and cpu, what follows a modulated convolution. */
const FUSED = 'FxModulatedActivation'

const fusible = (): boolean => !recording() && tf.getKernel(FUSED, tf.getBackend()) !== undefined

/** The convolution of a layer on its modulated input, and what follows it. */
type Finish = (layer: StyleLayer, convolved: tf.Tensor4D, style: tf.Tensor4D) => tf.Tensor4D

const finishInOnePass =
  (store: Store, noise: NoiseMaps, limit: number | null): Finish =>
  (layer, x, style) => {
    const map = noise(layer, ACTIVATION_SCALE)
    return tf.engine().runKernel(
      FUSED,
      {
        x,
        style,
        squares: squaredWeights(store, layer, ACTIVATION_SCALE),
        bias: scaledBias(store, layer, ACTIVATION_SCALE),
        ...(map && { noise: map }),
      },
      {
        lowPass: layer.kind === 'up',
        epsilon: EPSILON / ACTIVATION_SCALE ** 2,
        slope: ACTIVATION_SLOPE,
        limit: limit ?? Number.POSITIVE_INFINITY,
      },
    )
  }

const finish = (
  store: Store,
  layers: readonly StyleLayer[],
  joined: tf.Tensor2D,
  noise: NoiseMaps,
  limit: number | null,
): Finish => {
  const { scale, apply } = cheapestActivation()
  const coefficients = demodulations(store, layers, joined, scale)
  return (layer, x) => {
    const filtered = layer.kind === 'up' ? lowPass(store, x, 1, 2) : x
    const demodulated = tf.mul<tf.Tensor4D>(filtered, coefficients.get(layer)!)
    const map = noise(layer, scale)
    const bias = scaledBias(store, layer, scale)
    // Small or shared by the batch, so that the activations are passed once.
    const offset = map ? tf.add(map, bias) : bias
    return clamp(apply(tf.add<tf.Tensor4D>(demodulated, offset)), limit)
  }
}

const convolve = (store: Store, { name, kind, outChannels }: StyleLayer, x: tf.Tensor4D): tf.Tensor4D => {
  const weight = store.get<tf.Tensor4D>(`synthesis.${name}.weight`)
  const [n, height, width] = x.shape
  return kind === 'up'
    ? tf.conv2dTranspose(x, weight, [n, 2 * height + 1, 2 * width + 1, outChannels], 2, 'valid')
    : tf.conv2d(x, weight, 1, 'same')
}

const toRgb = (
  store: Store,
  { name, inChannels }: StyleLayer,
  scaled: tf.Tensor4D,
  limit: number | null,
): tf.Tensor4D => {
  const filter = store.derived(`${name} scaled`, () =>
    tf.mul<tf.Tensor4D>(store.get<tf.Tensor4D>(`synthesis.${name}.weight`), 1 / Math.sqrt(inChannels)),
  )
  const bias = store.get<tf.Tensor1D>(`synthesis.${name}.bias`)
  return clamp(tf.fused.conv2d({ x: scaled, filter, bias, strides: 1, pad: 'same' }), limit)
}

/**
 * The synthesis network with skip connections, driven by joined style vectors.
 *
 * Modulation scales the input of a convolution and demodulation its output, which equals scaling the weights of each
 * image's own convolution.
 *
 * Source: Karras et al., "Analyzing and improving the image quality of StyleGAN", CVPR 2020, sections 2.2 and 4.1.
 */
export const synthesise = (
  store: Store,
  layers: readonly StyleLayer[],
  joined: tf.Tensor2D,
  noise: Noise,
  limit: number | null,
): tf.Tensor4D => {
  const styles = splitChannels(
    joined,
    layers.map(({ inChannels }) => inChannels),
  )
  const maps = noiseMaps(store, noise, joined.shape[0])
  const finished = fusible() ? finishInOnePass(store, maps, limit) : finish(store, layers, joined, maps, limit)
  // One image for the whole batch; the first style gives it its batch size.
  let x = tf.expandDims<tf.Tensor4D>(store.get<tf.Tensor3D>('synthesis.b4.const'), 0)
  let image: tf.Tensor4D | undefined
  layers.forEach((layer, i) => {
    const style = styles[i]!
    const scaled = tf.mul<tf.Tensor4D>(x, style)
    if (layer.kind !== 'rgb') {
      x = finished(layer, convolve(store, layer, scaled), style)
      return
    }
    const added = toRgb(store, layer, scaled, limit)
    image = image ? tf.add<tf.Tensor4D>(upsampleImage(store, image), added) : added
  })
  return image!
}
