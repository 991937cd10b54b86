import { integerIn, oneOf } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { type Discriminator, drawnVariables, judged, type ParameterSpec } from './discriminator.js'

export interface PatchDiscriminatorOptions {
  /** Channels of the first layer; each further one doubles them, up to eight times as many. Default 16; papers have 64. */
  filters?: number
  /** Layers of stride 2, 1 to 6; two of stride 1 follow. Default 3, with which each logit sees 70x70 pixels. */
  layers?: number
  /**
   * What normalises all layers but the first and the last: each channel of each image (`'instance'`, without parameters)
   * or of the batch (`'batch'`, with scale and offset), or nothing. Default `'instance'`, which suits small batches.
   */
  norm?: 'instance' | 'batch' | 'none'
  /** Zeros around each layer's images: 1 as in pix2pix, 2 as in pix2pixHD, which also takes small images. Default 1. */
  padding?: 1 | 2
  /** Channels of the images. Default 3. */
  channels?: number
  /**
   * Channels of what the student is shown, which a conditional discriminator judges the images with. Default 0: it does
   * not look at it.
   */
  inputChannels?: number
  /** Of the first values of its variables. Default 0. */
  seed?: number | string
}

const KERNEL = 4
const EPSILON = 1e-5

/** A leaky relu whose gradient is two operations, and has a gradient itself. At 0 it is the slope, as in PyTorch. */
const leakyRelu: (x: tf.Tensor4D) => tf.Tensor4D = tf.customGrad((x, save) => {
  const input = x as tf.Tensor4D
  ;(save as tf.GradSaveFunc)([input])
  return {
    value: tf.leakyRelu(input, 0.2),
    gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.mul(dy, tf.step(saved[0]!, 0.2)),
  }
}) as (x: tf.Tensor4D) => tf.Tensor4D

/** Zero mean and unit variance over some axes. */
const normalized = (x: tf.Tensor4D, axes: number[]): tf.Tensor4D => {
  const centred = tf.sub<tf.Tensor4D>(x, tf.mean(x, axes, true))
  const variance = tf.mean(tf.square(centred), axes, true)
  return tf.div(centred, tf.sqrt(tf.add(variance, EPSILON)))
}

/** Zeros on every side: an operation of its own, since tfjs-node's convolutions know no padding in numbers. */
const padded = (x: tf.Tensor4D, side: number): tf.Tensor4D =>
  tf.pad(x, [
    [0, 0],
    [side, side],
    [side, side],
    [0, 0],
  ])

/** One network: what it is made of, and what it makes of images in [-1, 1]. */
interface PatchNetwork {
  specs: ParameterSpec[]
  /** Height or width of the logits, below 1 when there are none. */
  sideOfLogits(side: number): number
  maps(images: tf.Tensor4D, variables: Readonly<Record<string, tf.Variable>>): tf.Tensor4D[]
}

const patchNetwork = (
  prefix: string,
  { filters, layers, norm, padding, channels, inputChannels }: Required<PatchDiscriminatorOptions>,
): PatchNetwork => {
  const widths = Array.from({ length: layers + 1 }, (_, at) => filters * Math.min(2 ** at, 8))
  const convolutions = [...widths, 1].map((to, at) => ({
    name: `${prefix}conv${at}`,
    from: at === 0 ? channels + inputChannels : widths[at - 1]!,
    to,
    stride: at < layers ? 2 : 1,
    last: at > layers,
    norm: at === 0 || at > layers ? ('none' as const) : norm,
  }))
  const specs = convolutions.flatMap(({ name, from, to, norm: kind }): ParameterSpec[] => {
    const kernel = { name: `${name}.kernel`, shape: [KERNEL, KERNEL, from, to], mean: 0, deviation: 0.02 }
    const scale = { name: `${name}.scale`, shape: [to], mean: 1, deviation: 0.02 }
    const offset = { name: `${name}.offset`, shape: [to], mean: 0, deviation: 0 }
    // Before a norm an offset would be taken away again.
    if (kind === 'none') return [kernel, offset]
    return kind === 'batch' ? [kernel, scale, offset] : [kernel]
  })
  return {
    specs,
    sideOfLogits: side =>
      convolutions.reduce((s, { stride }) => Math.floor((s + 2 * padding - KERNEL) / stride) + 1, side),
    maps: (images, variables) => {
      const maps: tf.Tensor4D[] = []
      let x = images
      for (const { name, stride, last, norm: kind } of convolutions) {
        const kernel = variables[`${name}.kernel`] as tf.Tensor as tf.Tensor4D
        x = tf.conv2d(padded(x, padding), kernel, stride, 'valid')
        if (kind === 'instance') x = normalized(x, [1, 2])
        if (kind === 'batch') x = tf.mul(normalized(x, [0, 1, 2]), variables[`${name}.scale`]!)
        if (kind !== 'instance') x = tf.add(x, variables[`${name}.offset`]!)
        if (!last) x = leakyRelu(x)
        maps.push(x)
      }
      return maps
    },
  }
}

const checked = (name: string, options: PatchDiscriminatorOptions): Required<PatchDiscriminatorOptions> => ({
  filters: integerIn(`${name}: filters`, options.filters ?? 16, 1, 1024),
  layers: integerIn(`${name}: layers`, options.layers ?? 3, 1, 6),
  norm: oneOf(`${name}: norm`, options.norm ?? 'instance', ['instance', 'batch', 'none']),
  padding: integerIn(`${name}: padding`, options.padding ?? 1, 1, 2) as 1 | 2,
  channels: integerIn(`${name}: channels`, options.channels ?? 3, 1, 1024),
  inputChannels: integerIn(`${name}: inputChannels`, options.inputChannels ?? 0, 0, 1024),
  seed: options.seed ?? 0,
})

/**
 * Half the size, with means over what lies within the image, as PyTorch's `count_include_pad=False`. Padded by itself,
 * since tfjs's gradient of a padded average counts the padding, which its value does not.
 */
const halved = (images: tf.Tensor4D): tf.Tensor4D => {
  const [, height, width] = images.shape
  const pooled = (x: tf.Tensor4D): tf.Tensor4D => tf.avgPool(padded(x, 1), 3, 2, 'valid')
  return tf.div(pooled(images), pooled(tf.ones([1, height, width, 1])))
}
const halvedSide = (side: number): number => Math.ceil(side / 2)

const discriminator = (
  name: string,
  options: PatchDiscriminatorOptions,
  prefixes: readonly string[],
): Discriminator => {
  const all = checked(name, options)
  const networks = prefixes.map(prefix => patchNetwork(prefix, all))
  const { variables, dispose } = drawnVariables(
    networks.flatMap(({ specs }) => specs),
    all.seed,
  )
  const takes = (side: number): boolean => {
    let at = side
    return networks.every(({ sideOfLogits }, scale) => {
      if (scale > 0) at = halvedSide(at)
      return sideOfLogits(at) >= 1
    })
  }
  let smallestSide = 1
  while (!takes(smallestSide)) smallestSide++
  return {
    smallestSide,
    variables,
    dispose,
    features: (images, input) =>
      tf.tidy(() => {
        let x = tf.sub<tf.Tensor4D>(tf.mul(judged(name, { ...all, smallestSide }, images, input), 2), 1)
        return networks.map(({ maps }, scale) => {
          if (scale > 0) x = halved(x)
          return maps(x, variables())
        })
      }),
  }
}

/**
 * PatchGAN: a small convolutional network that judges every patch of an image by itself. Convolutions of kernel 4 with
 * leaky ReLUs of slope 0.2; variables `conv0.kernel` `[4, 4, in, out]`, `conv0.offset` and so on, the kernels drawn from
 * N(0, 0.02). A batch norm always takes the statistics of the batch at hand: it keeps no running ones, for which training
 * has no use.
 *
 * Cost at 128x128 on wasm, as multiples of the forward and backward pass of a width-0.5 student: 16 filters add 0.4 for the
 * student's side and 0.9 for the discriminator's own, 32 add 0.8 and 2.2, the paper's 64 add 2.9 and 8.1. At steps that
 * compute it, R1 adds 0.9 with 16 filters.
 *
 * Source: Isola et al., "Image-to-image translation with conditional adversarial networks", CVPR 2017, section 3.2 and
 * appendix 6.1.2.
 *
 * @throws FxError `invalid-argument` for options out of range.
 */
export const patchDiscriminator = (options: PatchDiscriminatorOptions = {}): Discriminator =>
  discriminator('patchDiscriminator', options, [''])

export interface MultiScaleDiscriminatorOptions extends PatchDiscriminatorOptions {
  /** Networks, 1 to 5, each of which sees the images at half the size of the one before. Default 2. */
  scales?: number
}

/**
 * Several PatchGANs that see the images at their full size, a half, a quarter: the coarse ones judge the whole, the fine
 * ones the detail. Variables as those of `patchDiscriminator`, behind `scale0.` for the full size, `scale1.` and so on.
 *
 * Source: Wang et al., "High-resolution image synthesis and semantic manipulation with conditional GANs" (pix2pixHD),
 * CVPR 2018, section 3.2, with `padding: 2` and, in the official code, `scales: 2`.
 *
 * @throws FxError `invalid-argument` for options out of range.
 */
export const multiScaleDiscriminator = ({
  scales = 2,
  ...options
}: MultiScaleDiscriminatorOptions = {}): Discriminator => {
  const count = integerIn('multiScaleDiscriminator: scales', scales, 1, 5)
  return discriminator(
    'multiScaleDiscriminator',
    options,
    Array.from({ length: count }, (_, scale) => `scale${scale}.`),
  )
}
