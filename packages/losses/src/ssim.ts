import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { checkImages, type Loss } from './loss.js'
import { centreWeights, weightedMean } from './ops.js'

export interface SsimOptions {
  /** Odd side of the Gaussian window, pixels. Default 11. */
  windowSize?: number
  /** Standard deviation of the window, pixels. Default 1.5. */
  sigma?: number
  /** Largest minus smallest possible pixel value. Default 1. */
  dataRange?: number
  /** Stabilising constants. Default 0.01 and 0.03. */
  k1?: number
  k2?: number
}

const gaussian = (size: number, sigma: number): number[] => {
  const values = Array.from({ length: size }, (_, i) => Math.exp(-((i - (size - 1) / 2) ** 2) / (2 * sigma ** 2)))
  const sum = values.reduce((a, b) => a + b)
  return values.map(value => value / sum)
}

/** Defaults filled in, ranges checked. */
export const checkedSsimOptions = (loss: string, options: SsimOptions): Required<SsimOptions> => {
  const all = { windowSize: 11, sigma: 1.5, dataRange: 1, k1: 0.01, k2: 0.03, ...options }
  if (!Number.isInteger(all.windowSize) || all.windowSize < 1 || all.windowSize % 2 === 0) {
    throw new FxError('invalid-argument', `${loss}: windowSize must be an odd positive integer, got ${all.windowSize}`)
  }
  for (const name of ['sigma', 'dataRange', 'k1', 'k2'] as const) {
    if (!(all[name] > 0)) throw new FxError('invalid-argument', `${loss}: ${name} must be positive, got ${all[name]}`)
  }
  return all
}

/**
 * The two factors of SSIM at every window, each `[N, H - windowSize + 1, W - windowSize + 1, C]`; no padding. Equations 6
 * and 13 of the paper of `structuralSimilarity`.
 */
export const ssimMaps = (
  x: tf.Tensor4D,
  y: tf.Tensor4D,
  { windowSize, sigma, dataRange, k1, k2 }: Required<SsimOptions>,
): { luminance: tf.Tensor4D; contrastStructure: tf.Tensor4D } => {
  const channels = x.shape[3]
  const window = tf.tensor1d(gaussian(windowSize, sigma))
  const column = tf.tile(tf.reshape(window, [windowSize, 1, 1, 1]), [1, 1, channels, 1]) as tf.Tensor4D
  const row = tf.reshape(column, [1, windowSize, channels, 1]) as tf.Tensor4D
  const blur = (image: tf.Tensor4D): tf.Tensor4D =>
    tf.depthwiseConv2d(tf.depthwiseConv2d(image, column, 1, 'valid'), row, 1, 'valid')

  const c1 = (k1 * dataRange) ** 2
  const c2 = (k2 * dataRange) ** 2
  const meanX = blur(x)
  const meanY = blur(y)
  const meanXX = tf.square(meanX)
  const meanYY = tf.square(meanY)
  const meanXY = tf.mul(meanX, meanY)
  const varianceX = tf.sub(blur(tf.square(x)), meanXX)
  const varianceY = tf.sub(blur(tf.square(y)), meanYY)
  const covariance = tf.sub(blur(tf.mul(x, y)), meanXY)
  const luminance: tf.Tensor4D = tf.div(tf.add(tf.mul(meanXY, 2), c1), tf.add(tf.add(meanXX, meanYY), c1))
  const contrastStructure: tf.Tensor4D = tf.div(
    tf.add(tf.mul(covariance, 2), c2),
    tf.add(tf.add(varianceX, varianceY), c2),
  )
  return { luminance, contrastStructure }
}

const ssimMap = (x: tf.Tensor4D, y: tf.Tensor4D, options: Required<SsimOptions>): tf.Tensor4D => {
  const { luminance, contrastStructure } = ssimMaps(x, y, options)
  return tf.mul(luminance, contrastStructure)
}

/**
 * Structural similarity of each image, `[N]`, in [-1, 1], 1 for equal images: per channel, Gaussian window, no
 * padding. The caller owns the tensor.
 *
 * Source: Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to structural similarity",
 * IEEE TIP 2004, equation 13.
 *
 * @throws FxError `shape-mismatch` also for images smaller than the window.
 */
export const structuralSimilarity = (x: tf.Tensor4D, y: tf.Tensor4D, options: SsimOptions = {}): tf.Tensor1D => {
  const all = checkedSsimOptions('structuralSimilarity', options)
  checkImages('structuralSimilarity', x, y, undefined, all.windowSize)
  return tf.tidy(() => tf.mean(ssimMap(x, y, all), [1, 2, 3]))
}

/**
 * SSIM as a loss, `1 - mean SSIM`, in [0, 2]. With weights, a window counts with the weight of its centre pixel.
 *
 * @throws FxError `invalid-argument` for an even window or a constant that is not positive; its loss `shape-mismatch`
 * also for images smaller than the window.
 */
export const ssim = (options: SsimOptions = {}): Loss => {
  const all = checkedSsimOptions('ssim', options)
  return (prediction, target, { weights } = {}) => {
    checkImages('ssim', prediction, target, weights, all.windowSize)
    return tf.tidy(() => {
      const map = ssimMap(prediction, target, all)
      return tf.sub(1, weightedMean(map, weights && centreWeights(weights, all.windowSize)))
    })
  }
}
