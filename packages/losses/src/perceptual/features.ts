import { FxError, listed } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { absolute } from '../ops.js'
import { type SpatialDistance, spatialDistance } from './distance.js'
import { checkedFeatures, type FeatureExtractor } from './extractor.js'

/**
 * Features of each place scaled to length 1; zeros stay zeros. The reference adds 1e-10 to the length instead, whose
 * gradient is NaN where all features are zero.
 */
const unit = (map: tf.Tensor4D): tf.Tensor4D => tf.div(map, tf.sqrt(tf.add(tf.sum(tf.square(map), 3, true), 1e-20)))

/** Squared differences of features scaled to length 1, `[N, h, w, c]`. */
export const unitDifference = (x: tf.Tensor4D, y: tf.Tensor4D): tf.Tensor4D =>
  tf.square(tf.sub<tf.Tensor4D>(unit(x), unit(y)))

const comparisons = {
  unit: (x: tf.Tensor4D, y: tf.Tensor4D): tf.Tensor4D => tf.sum(unitDifference(x, y), 3, true),
  l1: (x: tf.Tensor4D, y: tf.Tensor4D): tf.Tensor4D => tf.mean(absolute(tf.sub(x, y)), 3, true),
  squared: (x: tf.Tensor4D, y: tf.Tensor4D): tf.Tensor4D => tf.mean(tf.square(tf.sub<tf.Tensor4D>(x, y)), 3, true),
}

export interface FeatureDistanceOptions {
  /**
   * How two maps are compared. `unit` (default): the squared distance of features scaled to length 1 over the channels,
   * twice their cosine distance, so that no layer outweighs the others. `l1` and `squared`: the mean absolute or squared
   * difference of features as they are.
   */
  compare?: 'unit' | 'l1' | 'squared'
  /** Weight of each map, default 1 each; a map of weight 0 does not count. */
  layerWeights?: readonly number[]
}

/**
 * The distance of images in the features of any network, uncalibrated: no judgement of people stands behind its numbers.
 * The extractor stays the caller's, who disposes it.
 *
 * Sources: `unit` is LPIPS without its linear heads (Zhang et al., CVPR 2018, section 3); `squared` Johnson et al.,
 * "Perceptual losses for real-time style transfer and super-resolution", ECCV 2016, equation 2; `l1` Wang et al.,
 * pix2pixHD, CVPR 2018, section 3.5, which weighs VGG-19's layers 1/32, 1/16, 1/8, 1/4, 1.
 *
 * @throws FxError `invalid-argument` for another comparison, or layer weights that are not one for each map, negative,
 * not finite or all zero; its functions `shape-mismatch`.
 */
export const featureDistance = (
  extractor: FeatureExtractor,
  { compare = 'unit', layerWeights = extractor.channels.map(() => 1) }: FeatureDistanceOptions = {},
): SpatialDistance => {
  if (!Object.hasOwn(comparisons, compare)) {
    throw new FxError(
      'invalid-argument',
      `featureDistance: compare must be ${listed(Object.keys(comparisons))}, got '${compare}'`,
    )
  }
  const weighs = layerWeights.every(weight => Number.isFinite(weight) && weight >= 0) && layerWeights.some(w => w > 0)
  if (layerWeights.length !== extractor.channels.length || !weighs) {
    throw new FxError(
      'invalid-argument',
      `featureDistance: layerWeights must be ${extractor.channels.length} numbers, not negative and not all 0, for the maps of '${extractor.name}', got [${layerWeights.join(', ')}]`,
      { details: { layerWeights } },
    )
  }
  return spatialDistance('featureDistance', extractor.smallestSide, (x, y) => {
    const ofX = checkedFeatures(extractor, x)
    const ofY = checkedFeatures(extractor, y)
    return layerWeights.flatMap((weight, at) =>
      weight === 0 ? [] : [tf.mul<tf.Tensor4D>(comparisons[compare](ofX[at]!, ofY[at]!), weight)],
    )
  })
}
