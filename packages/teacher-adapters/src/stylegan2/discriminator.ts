import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { createStore, type Store } from '../network/store.js'
import { drawWeights, type NamedWeight, type NamedWeights } from '../network/weights.js'
import { checkLabels, checkShape } from './checks.js'
import { blockResolutions, type DiscriminatorConfig, resolveDiscriminatorConfig } from './config.js'
import { withoutFilters } from './filters.js'
import { mapLatents } from './mapping.js'
import { ACTIVATION_SCALE, clamp, dense, downsample, EPSILON, leakyRelu, lowPass } from './ops.js'
import { discriminatorParameters } from './parameters.js'

/** A StyleGAN2 discriminator. */
export interface Discriminator {
  readonly config: Readonly<Required<DiscriminatorConfig>>
  /** Every parameter by its ADA name, in tfjs's layout: `tf.Variable`s of a trainable discriminator. It owns them. */
  readonly parameters: ReadonlyMap<string, tf.Tensor>
  /**
   * Logits `[N, 1]` of images `[N, resolution, resolution, imageChannels]` in about [-1, 1]; above zero means real. The
   * batch size must be a multiple of the group size of the minibatch standard deviation, or smaller. The caller owns
   * the tensor.
   */
  logits(images: tf.Tensor4D, labels?: tf.Tensor2D): tf.Tensor2D
  /** Copies of all parameters in ADA's names and layout. */
  weights(): Promise<Map<string, NamedWeight>>
  dispose(): void
}

export interface DiscriminatorOptions {
  config: DiscriminatorConfig
  weights: NamedWeights
  /** Makes the parameters `tf.Variable`s. Default false. */
  trainable?: boolean
}

/** Both paths of a residual block count sqrt(1/2), so that their sum keeps its variance. */
const HALF = Math.SQRT1_2

/** The weight with its equalised learning rate, `1 / sqrt(inputs)`, and the factors of what follows. */
const scaledWeight = (store: Store, name: string, scale: number): tf.Tensor4D =>
  store.derived(`${name} scaled`, () => {
    const weight = store.get<tf.Tensor4D>(`${name}.weight`)
    const [height, width, inputs] = weight.shape
    return tf.mul<tf.Tensor4D>(weight, scale / Math.sqrt(height * width * inputs))
  })

/** A convolution with bias and leaky relu; `gain` scales its output and its clamp. */
const activated = (
  store: Store,
  name: string,
  x: tf.Tensor4D,
  limit: number | null,
  { gain = 1, stride = 1 }: { gain?: number; stride?: 1 | 2 } = {},
): tf.Tensor4D => {
  const scale = ACTIVATION_SCALE * gain
  const weight = scaledWeight(store, name, scale)
  const bias = store.derived(`${name} bias`, () => tf.mul(store.get<tf.Tensor1D>(`${name}.bias`), scale))
  const input = stride === 2 ? lowPass(store, x, 2, 1) : x
  const pad = stride === 2 ? 'valid' : 'same'
  const y = tf.fused.conv2d({ x: input, filter: weight, bias, strides: stride, pad })
  return clamp(leakyRelu(y), limit === null ? null : limit * gain)
}

const block = (store: Store, resolution: number, x: tf.Tensor4D, limit: number | null): tf.Tensor4D => {
  const name = `b${resolution}`
  const skipped = tf.conv2d(downsample(store, x), scaledWeight(store, `${name}.skip`, HALF), 1, 'same')
  const y = activated(store, `${name}.conv0`, x, limit)
  return tf.add(skipped, activated(store, `${name}.conv1`, y, limit, { gain: HALF, stride: 2 }))
}

/**
 * Appends how much the images of a group differ: the standard deviation over the group, averaged over pixels and
 * channels. Image n belongs to group n modulo N / group size.
 */
const minibatchDeviation = (x: tf.Tensor4D, groupSize: number, maps: number): tf.Tensor4D => {
  const [n, height, width, channels] = x.shape
  const size = Math.min(groupSize, n)
  const groups = n / size
  const grouped = tf.reshape(x, [size, groups * height * width * channels])
  const centred = tf.sub(grouped, tf.mean(grouped, 0, true))
  const deviation = tf.sqrt(tf.add(tf.mean(tf.square(centred), 0), EPSILON))
  const perMap = tf.mean(tf.reshape(deviation, [groups, height * width, maps, channels / maps]), [1, 3])
  const perImage = tf.reshape(tf.tile(perMap, [size, 1]), [n, 1, 1, maps])
  return tf.concat4d([x, tf.tile(perImage, [1, height, width, 1]) as tf.Tensor4D], 3)
}

/** The last layers at 4x4, `[N, 1]`, or `[N, channels]` to be compared with a label's code. */
const epilogue = (store: Store, x: tf.Tensor4D, config: Required<DiscriminatorConfig>): tf.Tensor2D => {
  const compared = minibatchDeviation(x, config.mbstdGroupSize, config.mbstdChannels)
  const y = activated(store, 'b4.conv', compared, config.convClamp)
  const flat = tf.reshape(y, [y.shape[0], -1]) as tf.Tensor2D
  // Stored as [4, 4, channels, outputs], in the order of `flat`.
  const weight = store.derived('b4.fc weight', () => {
    const stored = tf.reshape(store.get('b4.fc.weight'), [flat.shape[1], -1]) as tf.Tensor2D
    return tf.mul<tf.Tensor2D>(stored, ACTIVATION_SCALE / Math.sqrt(flat.shape[1]))
  })
  const bias = store.derived('b4.fc bias', () => tf.mul(store.get<tf.Tensor1D>('b4.fc.bias'), ACTIVATION_SCALE))
  return dense(store, 'b4.out', leakyRelu(tf.fused.matMul({ a: flat, b: weight, bias }) as tf.Tensor2D))
}

/**
 * The residual discriminator of StyleGAN2 from its weights. Runs on every tfjs backend; its gradients need what
 * `stylegan2Generator` says.
 *
 * Source: Karras et al., "Analyzing and improving the image quality of StyleGAN", CVPR 2020, section 4.1; minibatch
 * standard deviation from "Progressive growing of GANs", ICLR 2018, section 3; projection of labels from Miyato and
 * Koyama, "cGANs with projection discriminator", ICLR 2018.
 *
 * @throws FxError as `stylegan2Generator`; `logits` throws `shape-mismatch` for images or a batch that do not fit.
 */
export const stylegan2Discriminator = (options: DiscriminatorOptions): Discriminator => {
  const config = resolveDiscriminatorConfig(options.config)
  const { resolution, imageChannels, cDim, convClamp, mbstdGroupSize } = config
  const specs = discriminatorParameters(config)
  const store = createStore(
    'stylegan2: the discriminator',
    specs,
    withoutFilters(options.weights),
    options.trainable ?? false,
  )
  const blocks = blockResolutions(resolution).slice(1).reverse()
  return {
    config,
    parameters: store.parameters,
    logits(images, labels) {
      const batch = checkShape('images', images, [null, resolution, resolution, imageChannels])
      if (batch > mbstdGroupSize && batch % mbstdGroupSize !== 0) {
        throw new FxError(
          'shape-mismatch',
          `stylegan2: a batch of ${batch} images cannot be split into groups of ${mbstdGroupSize}`,
          { details: { batch, mbstdGroupSize } },
        )
      }
      checkLabels(labels, cDim, batch)
      return tf.tidy(() => {
        let x = activated(store, `b${resolution}.fromrgb`, images, convClamp)
        for (const side of blocks) x = block(store, side, x, convClamp)
        const out = epilogue(store, x, config)
        if (!labels) return out
        const code = mapLatents(store, config.mappingLayers, undefined, labels)
        return tf.mul(tf.sum<tf.Tensor2D>(tf.mul(out, code), 1, true), 1 / Math.sqrt(code.shape[1]))
      })
    },
    weights: store.weights,
    dispose: store.dispose,
  }
}

/**
 * Initial weights for training, as NVlabs draws them. The same seed gives the same weights.
 *
 * @throws FxError `invalid-argument` for a bad configuration.
 */
export const randomDiscriminatorWeights = (
  config: DiscriminatorConfig,
  seed: number | string,
): Map<string, NamedWeight> =>
  drawWeights(discriminatorParameters(resolveDiscriminatorConfig(config)), seed, 'stylegan2')
