import { seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import type { StyleLayer } from './config.js'
import { ACTIVATION_SCALE, clamp, dense, EPSILON, leakyRelu, lowPass, upsampleImage } from './ops.js'
import type { Store } from './store.js'

/**
 * Per-pixel noise: the generator's own constant maps, none, or drawn. A seed names the stream of a whole batch (image i
 * has its own), an array gives each image its stream, so that an image does not depend on the batch it is made in.
 */
export type Noise = 'none' | 'const' | { seed: number | string } | { seeds: readonly (number | string)[] }

/** A style vector `[N, inChannels]` for every layer, by its name (`b8.conv0`): the coordinates of StyleSpace. */
export type Styles = Record<string, tf.Tensor2D>

/**
 * The style of one layer: the affine map of its row of W+. For `rgb` layers before their 1/sqrt(inChannels), as in
 * StyleSpace (Wu et al., CVPR 2021).
 */
export const styleOf = (store: Store, layer: StyleLayer, w: tf.Tensor2D): tf.Tensor2D =>
  dense(store, `synthesis.${layer.name}.affine`, w)

const perChannel = (x: tf.Tensor2D): tf.Tensor4D => tf.reshape(x, [x.shape[0], 1, 1, x.shape[1]])

/** `ACTIVATION_SCALE / sqrt(sum over inputs and taps of (weight * style)^2 + eps)`, `[N, 1, 1, outChannels]`. */
const demodulation = (store: Store, { name, kind, outChannels }: StyleLayer, style: tf.Tensor2D): tf.Tensor4D => {
  const squares = store.derived(`${name} squares`, () => {
    const squared = tf.square(store.get<tf.Tensor4D>(`synthesis.${name}.weight`))
    const sums = tf.mul(tf.sum(squared, [0, 1]), 1 / ACTIVATION_SCALE ** 2) as tf.Tensor2D
    return kind === 'up' ? tf.transpose(sums) : sums
  })
  const epsilon = store.constant(`epsilon ${outChannels}`, () =>
    tf.fill([outChannels], EPSILON / ACTIVATION_SCALE ** 2),
  )
  return perChannel(tf.rsqrt(tf.fused.matMul({ a: tf.square(style), b: squares, bias: epsilon })) as tf.Tensor2D)
}

const drawn = (layer: StyleLayer, batch: number, noise: Exclude<Noise, string>): tf.Tensor4D => {
  const { resolution, name } = layer
  const pixels = resolution * resolution
  const values = new Float32Array(batch * pixels)
  for (let image = 0; image < batch; image++) {
    const path = 'seeds' in noise ? [noise.seeds[image]!] : [noise.seed, image]
    const random = seededRandom(...path, 'noise', name)
    // Box-Muller, both of its values: half the time of `random.normal()`.
    for (let i = image * pixels; i < (image + 1) * pixels; i += 2) {
      const radius = Math.sqrt(-2 * Math.log(1 - random.uniform()))
      const angle = 2 * Math.PI * random.uniform()
      values[i] = radius * Math.cos(angle)
      values[i + 1] = radius * Math.sin(angle)
    }
  }
  return tf.tensor4d(values, [batch, resolution, resolution, 1])
}

/** Noise and bias, times ACTIVATION_SCALE: small or shared by the batch, so that the activations are passed once. */
const offset = (store: Store, layer: StyleLayer, batch: number, noise: Noise): tf.Tensor => {
  const full = `synthesis.${layer.name}`
  const bias = store.derived(`${full} bias`, () => tf.mul(store.get<tf.Tensor1D>(`${full}.bias`), ACTIVATION_SCALE))
  if (noise === 'none') return bias
  const strength = () => tf.mul(store.get<tf.Scalar>(`${full}.noise_strength`), ACTIVATION_SCALE)
  if (noise !== 'const') return tf.add(tf.mul(drawn(layer, batch, noise), strength()), bias)
  const constant = store.derived(`${full} noise`, () => {
    const map = tf.reshape(store.get(`${full}.noise_const`), [1, layer.resolution, layer.resolution, 1])
    return tf.mul(map, strength())
  })
  return tf.add(constant, bias)
}

const modulated = (
  store: Store,
  layer: StyleLayer,
  x: tf.Tensor4D,
  style: tf.Tensor2D,
  noise: Noise,
  limit: number | null,
): tf.Tensor4D => {
  const weight = store.get<tf.Tensor4D>(`synthesis.${layer.name}.weight`)
  // The first layer's input is one image for the whole batch; the styles give it its batch size.
  const scaled = tf.mul<tf.Tensor4D>(x, perChannel(style))
  const [n, height, width] = scaled.shape
  const convolved =
    layer.kind === 'up'
      ? lowPass(
          store,
          tf.conv2dTranspose(scaled, weight, [n, 2 * height + 1, 2 * width + 1, layer.outChannels], 2, 'valid'),
          1,
          2,
        )
      : tf.conv2d(scaled, weight, 1, 'same')
  const demodulated = tf.mul<tf.Tensor4D>(convolved, demodulation(store, layer, style))
  return clamp(leakyRelu(tf.add<tf.Tensor4D>(demodulated, offset(store, layer, n, noise))), limit)
}

const toRgb = (
  store: Store,
  { name, inChannels }: StyleLayer,
  x: tf.Tensor4D,
  style: tf.Tensor2D,
  limit: number | null,
): tf.Tensor4D => {
  const filter = store.derived(`${name} scaled`, () =>
    tf.mul<tf.Tensor4D>(store.get<tf.Tensor4D>(`synthesis.${name}.weight`), 1 / Math.sqrt(inChannels)),
  )
  const bias = store.get<tf.Tensor1D>(`synthesis.${name}.bias`)
  const scaled = tf.mul<tf.Tensor4D>(x, perChannel(style))
  return clamp(tf.fused.conv2d({ x: scaled, filter, bias, strides: 1, pad: 'same' }), limit)
}

/**
 * The synthesis network with skip connections, driven by style vectors.
 *
 * Modulation scales the input of a convolution and demodulation its output, which equals scaling the weights of each
 * image's own convolution.
 *
 * Source: Karras et al., "Analyzing and improving the image quality of StyleGAN", CVPR 2020, sections 2.2 and 4.1.
 */
export const synthesise = (
  store: Store,
  layers: readonly StyleLayer[],
  styles: Styles,
  noise: Noise,
  limit: number | null,
): tf.Tensor4D => {
  let x = tf.expandDims<tf.Tensor4D>(store.get<tf.Tensor3D>('synthesis.b4.const'), 0)
  let image: tf.Tensor4D | undefined
  for (const layer of layers) {
    const style = styles[layer.name]!
    if (layer.kind !== 'rgb') {
      x = modulated(store, layer, x, style, noise, limit)
      continue
    }
    const added = toRgb(store, layer, x, style, limit)
    image = image ? tf.add<tf.Tensor4D>(upsampleImage(store, image), added) : added
  }
  return image!
}
