import * as tf from '@tensorflow/tfjs-core'
import type { Store } from '../network/store.js'
import type { StyleLayer } from './config.js'
import { createOffsets, drawMaps, type Noise, type Offsets, scaledBias } from './noise.js'
import {
  ACTIVATION_SCALE,
  ACTIVATION_SLOPE,
  cheapestActivation,
  clamp,
  EPSILON,
  lowPass,
  upsampleImage,
} from './ops.js'
import { recording } from './recording.js'
import { joinedDemodulations, modulatedLayers, squaredWeights } from './styles.js'
import { synthesiseOnTensorflow } from './synthesis-tensorflow.js'
import { bindingOf } from './tensorflow.js'
import { asGraph } from './tensorflow-graph.js'

/** `[N, C]` to one `[N, 1, 1, size]` for each size. */
const splitChannels = (x: tf.Tensor2D, sizes: number[]): tf.Tensor4D[] =>
  tf.split(tf.reshape(x, [x.shape[0], 1, 1, x.shape[1]]) as tf.Tensor4D, sizes, 3)

/** The kernel of `@fx/backend/training` that does in one pass, on wasm and cpu, what follows a modulated convolution. */
const FUSED = 'FxModulatedActivation'

const fusible = (): boolean => !recording() && tf.getKernel(FUSED, tf.getBackend()) !== undefined

/** The convolution of a layer on its modulated input, and what follows it. */
type Finish = (layer: StyleLayer, convolved: tf.Tensor4D, style: tf.Tensor4D) => tf.Tensor4D

const finishInOnePass =
  (store: Store, offsets: Offsets, limit: number | null): Finish =>
  (layer, x, style) => {
    const noise = offsets.noise(layer, ACTIVATION_SCALE)
    return tf.engine().runKernel(
      FUSED,
      {
        x,
        style,
        squares: squaredWeights(store, layer, ACTIVATION_SCALE),
        bias: scaledBias(store, layer, ACTIVATION_SCALE),
        ...(noise && { noise }),
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
  offsets: Offsets,
  limit: number | null,
): Finish => {
  const { scale, apply } = cheapestActivation(store)
  const modulated = modulatedLayers(layers)
  const each = splitChannels(
    joinedDemodulations(store, layers, joined, scale),
    modulated.map(({ outChannels }) => outChannels),
  )
  const coefficients = new Map(modulated.map((layer, i) => [layer, each[i]!]))
  return (layer, x) => {
    const filtered = layer.kind === 'up' ? lowPass(store, x, 1, 2) : x
    const demodulated = tf.mul<tf.Tensor4D>(filtered, coefficients.get(layer)!)
    return clamp(apply(tf.add<tf.Tensor4D>(demodulated, offsets.sum(layer, scale))), limit)
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
  const batch = joined.shape[0]
  const modulated = modulatedLayers(layers)
  const maps = drawMaps(noise, batch, modulated)
  const offsets = createOffsets(store, noise, modulated, maps)
  const direct = bindingOf(store)
  if (direct) {
    const { backend, operations } = direct
    const key = `${batch} images, noise ${typeof noise === 'string' ? noise : 'drawn'}`
    return asGraph(store, backend, key, [joined, ...maps], () =>
      synthesiseOnTensorflow(operations, store, layers, joined, offsets, limit),
    )
  }
  const styles = splitChannels(
    joined,
    layers.map(({ inChannels }) => inChannels),
  )
  const finished = fusible() ? finishInOnePass(store, offsets, limit) : finish(store, layers, joined, offsets, limit)
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
