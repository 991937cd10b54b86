import * as tf from '@tensorflow/tfjs-core'
import type { Store } from '../network/store.js'
import type { StyleLayer } from './config.js'
import type { Offsets } from './noise.js'
import { upsampleImage } from './ops.js'
import { joinedDemodulations, modulatedLayers } from './styles.js'
import type { TensorflowOperations } from './tensorflow.js'

/** tfjs-node's leaky relu has a slope of 0.2 but no gain; what enters it carries the gain. */
const GAIN = Math.SQRT2

/**
 * Layers of at least so many values an image run image by image: a convolution of that size gains nothing from a batch,
 * and scaling one image's weights saves two passes over its activations. The size of the batch decides nothing, so that
 * an image's roundings do not depend on it.
 */
const ALONE = 2 ** 19

const colourBias = (store: Store, { name }: StyleLayer): tf.Tensor1D => store.get(`synthesis.${name}.bias`)

/** What the biases of all colours come to in an image without clamps, `[1, R, R, 3]`. */
const colourOffset = (store: Store, layers: readonly StyleLayer[]): tf.Tensor4D =>
  store.derived('colour offset', () => {
    let sum: tf.Tensor4D | undefined
    for (const layer of layers) {
      if (layer.kind !== 'rgb') continue
      const bias = tf.reshape(colourBias(store, layer), [1, 1, 1, layer.outChannels]) as tf.Tensor4D
      sum = sum
        ? tf.add<tf.Tensor4D>(upsampleImage(store, sum), bias)
        : tf.tile<tf.Tensor4D>(bias, [1, layer.resolution, layer.resolution, 1])
    }
    return sum!
  })

/** What the layers so far have made of a batch or of one image. */
type Progress = { x: tf.Tensor4D; image: tf.Tensor4D | undefined }

/** Styles and demodulation by layer: of a batch `[N, 1, 1, C]`, or `[1, C]` for an image alone. */
interface Modulation {
  alone: boolean
  style: ReadonlyMap<StyleLayer, tf.Tensor>
  demodulation: ReadonlyMap<StyleLayer, tf.Tensor>
  offsets: Offsets
}

/** The filter [1, 3, 3, 1] x [1, 3, 3, 1] with a gain of 2 an axis for each channel, `[4, 4, C, 1]`. */
const lowPassFilter = (store: Store, channels: number): tf.Tensor4D =>
  store.constant(`low pass ${channels}`, () => {
    const taps = tf.tensor1d([0.25, 0.75, 0.75, 0.25])
    const filter = tf.mul<tf.Tensor4D>(tf.reshape(taps, [4, 1, 1, 1]), tf.reshape(taps, [1, 4, 1, 1]))
    return tf.tile(filter, [1, 1, channels, 1])
  })

/** 3/4 in the outermost rows and columns, 1 inside: `[1, side, side, C]`. */
const borders = (store: Store, side: number, channels: number): tf.Tensor4D =>
  store.constant(`borders ${side} ${channels}`, () => {
    const line = tf.tensor1d(Array.from({ length: side }, (_, i) => (i === 0 || i === side - 1 ? 0.75 : 1)))
    const both = tf.mul<tf.Tensor4D>(tf.reshape(line, [1, side, 1, 1]), tf.reshape(line, [1, 1, side, 1]))
    return tf.tile(both, [1, 1, 1, channels])
  })

/**
 * The synthesis network on tfjs-node, where nothing is recorded. Convolutions are fast there, so that what lies between
 * them counts: it is as few operations as can be, and each as few passes.
 */
export const synthesiseOnTensorflow = (
  run: TensorflowOperations,
  store: Store,
  layers: readonly StyleLayer[],
  joined: tf.Tensor2D,
  offsets: Offsets,
  limit: number | null,
): tf.Tensor4D => {
  const modulated = modulatedLayers(layers)
  const limited = <T extends tf.Tensor>(x: T): T => (limit === null ? x : run.clip(x, limit))

  const modulationOf = (
    alone: boolean,
    styles: tf.Tensor2D,
    demodulations: tf.Tensor2D,
    offsets: Offsets,
  ): Modulation => {
    const n = styles.shape[0]
    const byLayer = (vectors: tf.Tensor2D, layers: readonly StyleLayer[], sizes: readonly number[]) => {
      const parts = alone
        ? run.split<tf.Tensor>(vectors, sizes, 1)
        : run.split<tf.Tensor>(run.reshape(vectors, [n, 1, 1, vectors.shape[1]]), sizes, 3)
      return new Map(layers.map((layer, i) => [layer, parts[i]!]))
    }
    const inputs = layers.map(({ inChannels }) => inChannels)
    const outputs = modulated.map(({ outChannels }) => outChannels)
    return {
      alone,
      style: byLayer(styles, layers, inputs),
      demodulation: byLayer(demodulations, modulated, outputs),
      offsets,
    }
  }

  /** The convolution of a modulated layer with styles and demodulation applied, in the weights where they are smaller. */
  const convolved = (layer: StyleLayer, x: tf.Tensor4D, { alone, ...of }: Modulation): tf.Tensor4D => {
    const { name, kind, inChannels, outChannels } = layer
    const weight = store.get<tf.Tensor4D>(`synthesis.${name}.weight`)
    const style = of.style.get(layer)!
    const demodulation = of.demodulation.get(layer)!
    const inWeights = alone && x.shape[1] * x.shape[2] >= 9 * outChannels
    if (kind === 'conv') {
      if (!inWeights) return run.mul(run.conv2d(run.mul(x, style), weight), demodulation)
      return run.conv2d(x, run.mul(weight, run.mul(run.reshape(style, [inChannels, 1]), demodulation)))
    }
    const doubled = inWeights
      ? run.conv2dTranspose(x, run.mul(weight, style))
      : run.conv2dTranspose(run.mul(x, style), weight)
    const filter = lowPassFilter(store, outChannels)
    if (!alone) return run.mul(run.depthwise(doubled, filter), demodulation)
    return run.depthwise(doubled, run.mul(filter, run.reshape(demodulation, [outChannels, 1])))
  }

  /**
   * The colours `[N, R, R, 3]` of a layer, with its bias where they are clamped. Not a 1x1 convolution, since the styles
   * of each image are in the weights.
   */
  const colours = (layer: StyleLayer, x: tf.Tensor4D, { style }: Modulation): tf.Tensor4D => {
    const { name, inChannels, outChannels } = layer
    const weight = store.derived(`${name} turned`, () => {
      const turned = tf.transpose(tf.reshape(store.get(`synthesis.${name}.weight`), [inChannels, outChannels]))
      return tf.mul<tf.Tensor2D>(turned, 1 / Math.sqrt(inChannels))
    })
    const scaled = run.mul<tf.Tensor4D>(weight, style.get(layer)!)
    const product = run.turnedProduct(x, scaled)
    return limit === null ? product : run.clip(run.addBias(product, colourBias(store, layer)), limit)
  }

  /**
   * `upsampleImage`: inside, its filter is bilinear interpolation; at the border, which interpolation extends and the
   * filter meets zeros, it gives three quarters of that.
   */
  const doubledImage = (image: tf.Tensor4D): tf.Tensor4D => {
    const side = 2 * image.shape[1]
    return run.mul(run.resizeBilinear(image, side, side), borders(store, side, image.shape[3]))
  }

  const step = ({ x, image }: Progress, layer: StyleLayer, modulation: Modulation): Progress => {
    if (layer.kind === 'rgb') {
      const added = colours(layer, x, modulation)
      return { x, image: image ? run.add<tf.Tensor4D>(doubledImage(image), added) : added }
    }
    const offset = modulation.offsets.sum(layer, GAIN)
    const sum = run.add<tf.Tensor4D>(convolved(layer, x, modulation), offset)
    return { x: limited(run.leakyRelu(sum)), image }
  }

  const through = (start: Progress, some: readonly StyleLayer[], modulation: Modulation): Progress => {
    let progress = start
    for (const layer of some) {
      const before = progress
      // Freed at once, the memory of a layer is there, and in the cache, for the next.
      progress = tf.tidy(() => step(before, layer, modulation))
      if (before !== start && before.x !== progress.x) before.x.dispose()
      if (before !== start && before.image !== progress.image) before.image?.dispose()
    }
    return progress
  }

  const demodulations = joinedDemodulations(store, layers, joined, GAIN)
  const large = layers.findIndex(({ kind, resolution, outChannels }) => {
    return kind !== 'rgb' && resolution ** 2 * outChannels >= ALONE
  })
  const shared = large < 0 ? layers.length : large
  const constant = tf.expandDims<tf.Tensor4D>(store.get<tf.Tensor3D>('synthesis.b4.const'), 0)
  const start = { x: constant, image: undefined }
  const together = through(start, layers.slice(0, shared), modulationOf(false, joined, demodulations, offsets))
  const finished = (image: tf.Tensor4D): tf.Tensor4D =>
    limit === null ? run.add(image, colourOffset(store, layers)) : image
  if (shared === layers.length) return finished(together.image!)

  const ones = Array<number>(joined.shape[0]).fill(1)
  const rows = <T extends tf.Tensor>(all: T): T[] => run.split(all, ones, 0)
  const [images, styles, coefficients] = [rows(together.image!), rows(joined), rows(demodulations)]
  const ofImages = offsets.ofImages(ones.length)
  const each = rows(together.x).map((x, i) => {
    const modulation = modulationOf(true, styles[i]!, coefficients[i]!, ofImages[i]!)
    return tf.tidy(() => through({ x, image: images[i] }, layers.slice(shared), modulation).image!)
  })
  return finished(run.concat(each, 0))
}
