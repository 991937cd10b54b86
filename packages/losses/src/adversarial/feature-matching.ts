import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { checkImages, type Loss } from '../loss.js'
import { absolute } from '../ops.js'
import type { Discriminator } from './discriminator.js'
import { overScales } from './objectives.js'

/**
 * The mean absolute difference of prediction and target in each layer of a discriminator but its logits: four times the
 * mean over the layers, and the mean over the scales; the target's features are constants. It looks on only: what trains the
 * discriminator is `adversarial`. pix2pixHD weighs it 10. With weights, a place of a map has the mean weight of its share
 * of the image. With the default discriminator it adds 0.4 times the forward and backward pass of a width-0.5 student at
 * 128x128.
 *
 * Source: Wang et al., "High-resolution image synthesis and semantic manipulation with conditional GANs" (pix2pixHD),
 * CVPR 2018, section 3.3; factors as in the official code.
 *
 * @throws FxError as the discriminator; `invalid-argument` when it has no maps but its logits.
 */
export const featureMatching =
  (discriminator: Discriminator): Loss =>
  (prediction, target, { weights, input } = {}) => {
    checkImages('featureMatching', prediction, target, weights, discriminator.smallestSide)
    return tf.tidy(() => {
      const ofTarget = discriminator.features(target, input)
      const ofPrediction = discriminator.features(prediction, input)
      const differences = ofPrediction.flatMap((maps, scale) =>
        maps.slice(0, -1).map((map, layer) => absolute(tf.sub(map, constant(ofTarget[scale]![layer]!)))),
      )
      if (differences.length === 0) {
        throw new FxError('invalid-argument', 'featureMatching: the discriminator has no maps but its logits')
      }
      return tf.mul(overScales(differences, weights), 4 / differences.length)
    })
  }

/** The same values, through which no gradient flows. */
const constant = tf.customGrad(x => ({
  value: tf.clone(x as tf.Tensor),
  gradFunc: (dy: tf.Tensor) => tf.zerosLike(dy),
})) as (x: tf.Tensor4D) => tf.Tensor4D
