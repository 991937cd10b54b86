import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { checkImages, type Loss } from './loss.js'
import { centreWeights } from './ops.js'
import { checkedSsimOptions, type SsimOptions, ssimMaps } from './ssim.js'

export interface MsSsimOptions extends SsimOptions {
  /**
   * Exponent of each scale, finest first; each further scale halves the image. Default the paper's five: 0.0448, 0.2856,
   * 0.3001, 0.2363, 0.1333.
   */
  scaleWeights?: readonly number[]
}

interface Checked {
  scaleWeights: readonly number[]
  ssim: Required<SsimOptions>
  /** Every scale must hold a whole window. */
  smallestSide: number
}

const checked = (name: string, { scaleWeights, ...options }: MsSsimOptions): Checked => {
  const weights = scaleWeights ?? [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]
  if (weights.length === 0 || !weights.every(weight => weight > 0 && Number.isFinite(weight))) {
    throw new FxError(
      'invalid-argument',
      `${name}: scaleWeights must be one or more positive numbers, got [${weights.join(', ')}]`,
      { details: { scaleWeights: weights } },
    )
  }
  const ssim = checkedSsimOptions(name, options)
  return { scaleWeights: weights, ssim, smallestSide: (ssim.windowSize - 1) * 2 ** (weights.length - 1) + 1 }
}

/**
 * `x^exponent` for positive x, else 0. Its gradient is 0 where x is not positive, and bounded: below 1e-6 it is that of
 * 1e-6, where the true one would run to infinity.
 */
const positivePower = (x: tf.Tensor, exponent: number): tf.Tensor => {
  const power = tf.customGrad((base, save) => {
    const input = base as tf.Tensor
    ;(save as tf.GradSaveFunc)([input])
    const positive = tf.cast(tf.greater(input, 0), 'float32')
    return {
      value: tf.mul(positive, tf.pow(tf.maximum(input, 1e-30), exponent)),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [input] = saved as [tf.Tensor]
        const slope = tf.mul(tf.pow(tf.maximum(input, 1e-6), exponent - 1), exponent)
        return tf.mul(dy, tf.mul(tf.cast(tf.greater(input, 0), 'float32'), slope))
      },
    }
  })
  return power(x)
}

/** Half the size; an odd side first gets a row or column of zeros in front. */
const halved = (image: tf.Tensor4D): tf.Tensor4D => {
  const [, height, width] = image.shape
  return tf.avgPool(
    tf.pad(image, [
      [0, 0],
      [height % 2, 0],
      [width % 2, 0],
      [0, 0],
    ]),
    2,
    2,
    'valid',
  )
}

/** Mean over the windows of each image and channel, `[N, C]`. */
const windowMean = (map: tf.Tensor4D, weights?: tf.Tensor4D): tf.Tensor2D => {
  if (!weights) return tf.mean(map, [1, 2])
  return tf.div(tf.sum(tf.mul(map, weights), [1, 2]), tf.maximum(tf.sum(weights, [1, 2]), 1e-12))
}

const similarity = (
  prediction: tf.Tensor4D,
  target: tf.Tensor4D,
  { scaleWeights, ssim }: Checked,
  weights?: tf.Tensor4D,
): tf.Tensor2D => {
  let [x, y, pixelWeights] = [prediction, target, weights]
  let product: tf.Tensor | undefined
  for (const [scale, exponent] of scaleWeights.entries()) {
    const { luminance, contrastStructure } = ssimMaps(x, y, ssim)
    const coarsest = scale === scaleWeights.length - 1
    const map: tf.Tensor4D = coarsest ? tf.mul(luminance, contrastStructure) : contrastStructure
    const mean = windowMean(map, pixelWeights && centreWeights(pixelWeights, ssim.windowSize))
    const factor = positivePower(mean, exponent)
    product = product ? tf.mul(product, factor) : factor
    if (!coarsest) {
      x = halved(x)
      y = halved(y)
      pixelWeights = pixelWeights && halved(pixelWeights)
    }
  }
  return product as tf.Tensor2D
}

/**
 * Multi-scale structural similarity of each image, `[N]`, in [0, 1], 1 for equal images: the mean over channels. Negative
 * contrast terms count as 0. The caller owns the tensor.
 *
 * Source: Wang, Simoncelli, Bovik, "Multiscale structural similarity for image quality assessment", Asilomar 2003,
 * equation 7.
 *
 * @throws FxError `invalid-argument` for options out of range; `shape-mismatch` also for a side of
 * `(windowSize - 1) * 2^(scales - 1)` pixels or fewer, 160 with the defaults.
 */
export const multiScaleSimilarity = (x: tf.Tensor4D, y: tf.Tensor4D, options: MsSsimOptions = {}): tf.Tensor1D => {
  const all = checked('multiScaleSimilarity', options)
  checkImages('multiScaleSimilarity', x, y, undefined, all.smallestSide)
  return tf.tidy(() => tf.mean(similarity(x, y, all), 1))
}

/**
 * MS-SSIM as a loss, `1 - mean MS-SSIM`, in [0, 1]. Images of 160 pixels or fewer on a side need fewer `scaleWeights` or
 * a smaller window: four scales fit 81 pixels, three 41. With weights, a window counts with the weight of its centre
 * pixel at its own scale. An image whose structure is the target's negative has no gradient, as a factor is 0.
 *
 * @throws FxError `invalid-argument` for options out of range; its loss `shape-mismatch` also for images too small.
 */
export const msSsim = (options: MsSsimOptions = {}): Loss => {
  const all = checked('msSsim', options)
  return (prediction, target, { weights } = {}) => {
    checkImages('msSsim', prediction, target, weights, all.smallestSide)
    return tf.tidy(() => tf.sub(1, tf.mean(similarity(prediction, target, all, weights))))
  }
}
