import { FxError } from '@fx/core'
import type * as tf from '@tensorflow/tfjs-core'
import { checkImages } from '../loss.js'

/** A frozen network that sees images as feature maps, from fine to coarse. */
export interface FeatureExtractor {
  /** Name in error messages. */
  readonly name: string
  /** Channels of each map. */
  readonly channels: readonly number[]
  /** The least height and width that it takes, pixels. */
  readonly smallestSide: number
  /**
   * Images `[N, H, W, 3]` in [0, 1] to one map `[N, h, w, c]` for each entry of `channels`, differentiable in the images.
   * The caller owns the maps.
   */
  features(images: tf.Tensor4D): tf.Tensor4D[]
  /** Frees the weights. */
  dispose(): void
}

/**
 * Refuses what `checkImages` refuses, images that are not RGB and images too small for the extractor.
 *
 * @throws FxError `shape-mismatch`.
 */
export const checkRgbImages = (
  loss: string,
  prediction: tf.Tensor4D,
  target: tf.Tensor4D,
  weights: tf.Tensor4D | undefined,
  smallestSide: number,
): void => {
  checkImages(loss, prediction, target, weights, smallestSide)
  if (prediction.shape[3] === 3) return
  throw new FxError(
    'shape-mismatch',
    `${loss}: images must be RGB, [N, H, W, 3], got [${prediction.shape.join(', ')}]`,
    {
      details: { prediction: prediction.shape },
    },
  )
}

/**
 * The maps of an extractor, checked against what it declares.
 *
 * @throws FxError `shape-mismatch`.
 */
export const checkedFeatures = (extractor: FeatureExtractor, images: tf.Tensor4D): tf.Tensor4D[] => {
  const maps = extractor.features(images)
  const channels = maps.map(map => map.shape.at(-1))
  if (channels.length !== extractor.channels.length || channels.some((count, at) => count !== extractor.channels[at])) {
    throw new FxError(
      'shape-mismatch',
      `The extractor '${extractor.name}' gave maps of [${channels.join(', ')}] channels, declared are [${extractor.channels.join(', ')}]`,
      { details: { channels, declared: extractor.channels } },
    )
  }
  return maps
}
