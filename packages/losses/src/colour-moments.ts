import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { checkImages, type Loss } from './loss.js'
import { absolute } from './ops.js'

export interface ColourMomentsOptions {
  /** How much the difference in mean, standard deviation and skewness counts. Default 1 each. */
  momentWeights?: readonly [mean: number, deviation: number, skewness: number]
}

/** Small against any visible variance, large enough for slopes that Adam survives on flat images. */
const EPSILON = 1e-6

/** Mean, standard deviation and cube root of the third moment of each image and channel, each `[N, 1, 1, C]`. */
const moments = (image: tf.Tensor4D, weights: tf.Tensor4D | undefined): [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D] => {
  const share = weights && tf.div(weights, tf.maximum(tf.sum(weights, [1, 2], true), 1e-12))
  const average = (values: tf.Tensor): tf.Tensor4D =>
    share ? tf.sum(tf.mul(values, share), [1, 2], true) : tf.mean(values, [1, 2], true)
  const mean = average(image)
  const centred = tf.sub<tf.Tensor4D>(image, mean)
  const squared = tf.square(centred)
  const third = average(tf.mul(squared, centred))
  // Smooth at 0, where the slopes of both roots are infinite: m / (m^2 + e)^(1/3) is m^(1/3) for |m| >> sqrt(e).
  const cubeRoot = tf.div<tf.Tensor4D>(third, tf.pow(tf.add(tf.square(third), EPSILON), 1 / 3))
  return [mean, tf.sqrt(tf.add<tf.Tensor4D>(average(squared), EPSILON)), cubeRoot]
}

/**
 * Colour moments: how much the mean, the standard deviation and the skewness (cube root of the third central moment) of
 * each channel differ, image by image, `mean over N and C of w1 |m1 - m1'| + w2 |m2 - m2'| + w3 |m3 - m3'|`. It holds
 * the palette and is blind to where colours are: combine it with a pixel loss. The roots are smoothed below moments of
 * about 1e-3. With weights, the moments are those of the weighted pixels.
 *
 * Source: Stricker, Orengo, "Similarity of color images", SPIE 1995, section 3, in the images' own colour space.
 *
 * @throws FxError `invalid-argument` for weights that are negative, not finite or all 0.
 */
export const colourMoments = ({ momentWeights = [1, 1, 1] }: ColourMomentsOptions = {}): Loss => {
  const valid = momentWeights.length === 3 && momentWeights.every(weight => weight >= 0 && Number.isFinite(weight))
  if (!valid || momentWeights.every(weight => weight === 0)) {
    throw new FxError(
      'invalid-argument',
      `colourMoments: momentWeights must be three numbers of at least 0, not all 0, got [${momentWeights.join(', ')}]`,
      { details: { momentWeights } },
    )
  }
  return (prediction, target, { weights } = {}) => {
    checkImages('colourMoments', prediction, target, weights)
    return tf.tidy(() => {
      const wanted = moments(target, weights)
      const terms = moments(prediction, weights).map((moment, i) =>
        tf.mul(tf.mean(absolute(tf.sub(moment, wanted[i]!))), momentWeights[i]!),
      )
      return tf.addN(terms) as tf.Scalar
    })
  }
}
