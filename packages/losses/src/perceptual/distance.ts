import * as tf from '@tensorflow/tfjs-core'
import type { Loss } from '../loss.js'
import { weightedMean } from '../ops.js'
import { checkRgbImages } from './extractor.js'
import { shrinkWeights } from './region.js'

/** A distance between images that serves as a training loss and as a metric. */
export interface PerceptualDistance {
  /** Its mean over the batch. The target's features are computed, too, and gradients flow into them when asked for. */
  readonly loss: Loss
  /**
   * The distance of each pair of images `[N, H, W, 3]` in [0, 1]: `[N]`, 0 for equal images. The caller owns it.
   *
   * @throws FxError `shape-mismatch`.
   */
  distances(x: tf.Tensor4D, y: tf.Tensor4D): tf.Tensor1D
}

/** A distance that is a mean over places, so that it also says where the images differ. */
export interface SpatialDistance extends PerceptualDistance {
  /**
   * The distance around each pixel, `[N, H, W, 1]`: the maps of all layers, enlarged bilinearly to the images and summed.
   * The caller owns it.
   *
   * @throws FxError `shape-mismatch`.
   */
  map(x: tf.Tensor4D, y: tf.Tensor4D): tf.Tensor4D
}

/** A distance from its maps: for each layer the distances `[N, h, w, 1]`, whose mean over places adds to the distance. */
export const spatialDistance = (
  name: string,
  smallestSide: number,
  layerMaps: (x: tf.Tensor4D, y: tf.Tensor4D) => tf.Tensor4D[],
): SpatialDistance => {
  const checkedMaps = (x: tf.Tensor4D, y: tf.Tensor4D, weights?: tf.Tensor4D): tf.Tensor4D[] => {
    checkRgbImages(name, x, y, weights, smallestSide)
    return layerMaps(x, y)
  }
  return {
    loss: (prediction, target, { weights } = {}) =>
      tf.tidy(() => {
        const means = checkedMaps(prediction, target, weights).map(map =>
          weightedMean(map, weights && shrinkWeights(weights, map.shape[1], map.shape[2])),
        )
        return tf.addN(means)
      }),
    distances: (x, y) => tf.tidy(() => tf.addN(checkedMaps(x, y).map(map => tf.mean<tf.Tensor1D>(map, [1, 2, 3])))),
    map: (x, y) =>
      tf.tidy(() => {
        const size: [number, number] = [x.shape[1], x.shape[2]]
        return tf.addN(checkedMaps(x, y).map(map => tf.image.resizeBilinear(map, size, false, true)))
      }),
  }
}
