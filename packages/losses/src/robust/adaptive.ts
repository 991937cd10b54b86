import { FxError, integerIn, numberIn, oneOf } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { checkImages, type LossOptions } from '../loss.js'
import { weightedMean } from '../ops.js'
import type { TrainableLoss } from '../trainable.js'
import { logPartition } from './partition.js'
import { robustPenalty } from './penalty.js'
import { rgbToYuv, wavelet, waveletBands, waveletWeights } from './transforms.js'

export interface AdaptiveRobustOptions {
  /** Channels of the images. Default 3. */
  channels?: number
  /** Which colours errors are taken in; `'yuv'` needs three channels. Default `'rgb'`. */
  colourSpace?: 'rgb' | 'yuv'
  /** Errors of pixels, or of wavelet coefficients (CDF 9/7), whose statistics differ more. Default `'pixel'`. */
  representation?: 'pixel' | 'wavelet'
  /** Levels of the wavelet transform, 1 to 12. Default 5. */
  levels?: number
  /**
   * What has an alpha and a scale of its own: each `'channel'` (of each band of wavelets), or each `'coefficient'`, that
   * is each channel of each pixel or wavelet coefficient, as in the paper. Default `'channel'`.
   */
  parameters?: 'channel' | 'coefficient'
  /** Height and width of the images, or the side of square ones; needed with `parameters: 'coefficient'`. */
  size?: number | readonly [height: number, width: number]
  /** Range of alpha, within 0 to 2, and where it starts. Default 0.001 and 1.999, and the middle. */
  alphaLow?: number
  alphaHigh?: number
  alphaStart?: number
  /** Smallest scale and where it starts, in image units. Default 1e-5 and 1. */
  scaleLow?: number
  scaleStart?: number
}

interface Checked extends Required<Omit<AdaptiveRobustOptions, 'size'>> {
  size: readonly [number, number] | undefined
}

const checked = (options: AdaptiveRobustOptions): Checked => {
  const name = (option: string): string => `adaptiveRobust: ${option}`
  const channels = integerIn(name('channels'), options.channels ?? 3, 1, 1e6)
  const colourSpace = oneOf(name('colourSpace'), options.colourSpace ?? 'rgb', ['rgb', 'yuv'])
  const parameters = oneOf(name('parameters'), options.parameters ?? 'channel', ['channel', 'coefficient'])
  const alphaLow = numberIn(name('alphaLow'), options.alphaLow ?? 0.001, 0, 2)
  const alphaHigh = numberIn(name('alphaHigh'), options.alphaHigh ?? 1.999, 0, 2)
  const scaleLow = numberIn(name('scaleLow'), options.scaleLow ?? 1e-5, 1e-9, 1e9)
  const all: Checked = {
    channels,
    colourSpace,
    parameters,
    representation: oneOf(name('representation'), options.representation ?? 'pixel', ['pixel', 'wavelet']),
    levels: integerIn(name('levels'), options.levels ?? 5, 1, 12),
    size: typeof options.size === 'number' ? [options.size, options.size] : options.size,
    alphaLow,
    alphaHigh,
    alphaStart: options.alphaStart ?? (alphaLow + alphaHigh) / 2,
    scaleLow,
    scaleStart: numberIn(name('scaleStart'), options.scaleStart ?? 1, 1e-9, 1e9),
  }
  const refuse = (message: string): never => {
    throw new FxError('invalid-argument', `adaptiveRobust: ${message}`, { details: { ...options } })
  }
  if (!(alphaLow < all.alphaStart && all.alphaStart < alphaHigh)) {
    refuse(`alphaStart must lie between alphaLow and alphaHigh, got ${alphaLow}, ${all.alphaStart}, ${alphaHigh}`)
  }
  if (!(scaleLow < all.scaleStart)) refuse(`scaleStart must exceed scaleLow ${scaleLow}, got ${all.scaleStart}`)
  if (colourSpace === 'yuv' && channels !== 3) refuse(`colourSpace 'yuv' needs 3 channels, got ${channels}`)
  if (parameters === 'coefficient' && !all.size) refuse("parameters 'coefficient' needs the size of the images")
  for (const side of all.size ?? []) integerIn(name('size'), side, 1, 1e5)
  return all
}

/** Barron's adaptive loss, and the alphas and scales it has learned. */
export interface AdaptiveRobust extends TrainableLoss {
  /**
   * Alpha and scale as they stand, `[1, C]`, `[bands, C]` (the coarsest first) or `[H * W, C]`. The caller owns the
   * tensors.
   */
  shape(): { alpha: tf.Tensor2D; scale: tf.Tensor2D }
}

/**
 * Barron's adaptive robust loss: the negative log-likelihood of the errors, `mean rho(p - t, alpha, c) + log c +
 * log Z(alpha)`, whose alphas and scales are learned with the student. Where errors have outliers, alpha falls and they
 * count less; as errors shrink, c shrinks, so the loss goes below 0 and keeps its gradients large. Without training its
 * `variables()`, `alpha` and `scale` (latents, both 0 at the start), it is a fixed robust loss. Start `scaleStart` near the
 * size of the errors to come, or give the latents a learning rate of about 0.01 and a few hundred steps. With weights, a
 * wavelet coefficient counts with the mean weight of the pixels it stands for. It adds about half to the step of a
 * width-0.5 student at 128x128.
 *
 * Source: Barron, "A general and adaptive robust loss function", CVPR 2019, equation 16; parametrised as in its appendix.
 *
 * @throws FxError `invalid-argument` for options out of range; the loss `shape-mismatch` also for other channels or sizes
 * than it was made for.
 */
export const adaptiveRobust = (options: AdaptiveRobustOptions = {}): AdaptiveRobust => {
  const all = checked(options)
  const { channels, colourSpace, parameters, representation, levels, size } = all
  const bands = representation === 'wavelet' ? 3 * levels + 1 : 1
  const rows = parameters === 'coefficient' ? size![0] * size![1] : bands
  let latents: { alpha: tf.Variable; scale: tf.Variable } | undefined

  const variables = () => {
    latents ??= tf.tidy(() => ({
      alpha: tf.variable(tf.zeros([rows, channels])),
      scale: tf.variable(tf.zeros([rows, channels])),
    }))
    return latents
  }

  const shape = (): { alpha: tf.Tensor2D; scale: tf.Tensor2D } =>
    tf.tidy(() => {
      const { alphaLow, alphaHigh, alphaStart, scaleLow, scaleStart } = all
      const latent = variables()
      const start = Math.log((alphaStart - alphaLow) / (alphaHigh - alphaStart))
      const alpha = tf.add(tf.mul(tf.sigmoid(tf.add(latent.alpha, start)), alphaHigh - alphaLow), alphaLow)
      // softplus(log(e - 1)) is 1.
      const one = tf.softplus(tf.add(latent.scale, Math.log(Math.E - 1)))
      return {
        alpha: alpha as tf.Tensor2D,
        scale: tf.add<tf.Tensor2D>(tf.mul(one, scaleStart - scaleLow), scaleLow),
      }
    })

  /** The rows of parameters laid out over images: `[1, 1, 1, C]` or `[1, H, W, C]`. */
  const spread = (values: tf.Tensor2D, height: number, width: number): tf.Tensor4D => {
    if (parameters === 'coefficient') return tf.reshape(values, [1, height, width, channels])
    if (bands === 1) return tf.reshape(values, [1, 1, 1, channels])
    // A product with one-hot rows, since wasm lacks the gradient of gathering.
    const membership = tf.oneHot(tf.tensor1d(waveletBands(height, width, levels), 'int32'), bands)
    return tf.reshape(tf.matMul(tf.cast(membership, 'float32'), values), [1, height, width, channels])
  }

  const loss = (prediction: tf.Tensor4D, target: tf.Tensor4D, { weights }: LossOptions = {}): tf.Scalar => {
    checkImages('adaptiveRobust', prediction, target, weights)
    const [, height, width, depth] = prediction.shape
    const otherSize = parameters === 'coefficient' && (height !== size![0] || width !== size![1])
    if (depth !== channels || otherSize) {
      const wanted =
        parameters === 'coefficient' ? `[N, ${size![0]}, ${size![1]}, ${channels}]` : `[N, H, W, ${channels}]`
      throw new FxError(
        'shape-mismatch',
        `adaptiveRobust: the images must be ${wanted}, got [${prediction.shape.join(', ')}]`,
        { details: { prediction: prediction.shape, channels, size } },
      )
    }
    return tf.tidy(() => {
      const difference = tf.sub<tf.Tensor4D>(prediction, target)
      const colours = colourSpace === 'yuv' ? rgbToYuv(difference) : difference
      const errors = representation === 'wavelet' ? wavelet(colours, levels) : colours
      const counts = weights && representation === 'wavelet' ? waveletWeights(weights, levels) : weights
      const { alpha, scale } = shape()
      const normalizer = tf.add<tf.Tensor2D>(tf.log(scale), logPartition(alpha))
      const penalty = robustPenalty(errors, spread(alpha, height, width), spread(scale, height, width))
      return weightedMean(tf.add(penalty, spread(normalizer, height, width)), counts)
    })
  }

  return Object.assign(loss, {
    variables,
    shape,
    dispose: () => {
      tf.dispose(latents ?? [])
      latents = undefined
    },
  })
}
