import * as tf from '@tensorflow/tfjs-core'
import type { PerceptualDistance } from './distance.js'
import { checkRgbImages } from './extractor.js'
import { loadExpected, ownTensors, type WeightsSource } from './parameters.js'
import { shrinkWeights } from './region.js'
import { openTrunk } from './torchvision.js'

export interface DistsOptions {
  /** VGG-16's state dict in torchvision's layout: `features.0.weight` and so on. */
  trunk: WeightsSource
  /** DISTS's weights of texture and structure: `alpha` and `beta`, each `[1, 1475, 1, 1]`. */
  weights: WeightsSource
}

/** DISTS with its weights. */
export interface Dists extends PerceptualDistance {
  /** Frees the weights. */
  dispose(): void
}

/**
 * L2 pooling: the root of the Hann-weighted mean of squares, every second pixel. `[N, H, W, C]` to half of that, rounded
 * up.
 *
 * Source: Hénaff, Simoncelli, "Geodesics of learned representations", ICLR 2016; DISTS, section II-A.
 */
export const l2Pooling = (map: tf.Tensor4D): tf.Tensor4D =>
  tf.tidy(() => {
    const window = tf.tensor4d([1, 2, 1, 2, 4, 2, 1, 2, 1], [3, 3, 1, 1])
    const kernel = tf.tile(tf.div<tf.Tensor4D>(window, 16), [1, 1, map.shape[3], 1])
    const squares = tf.pad(tf.square(map), [
      [0, 0],
      [1, 1],
      [1, 1],
      [0, 0],
    ])
    return tf.sqrt(tf.add<tf.Tensor4D>(tf.depthwiseConv2d(squares, kernel, 2, 'valid'), 1e-12))
  })

const stabiliser = 1e-6

/** The mean over the places of a map, or over a region of it: `[N, h, w, C]` to `[N, 1, 1, C]`. */
const meanOver = (weights: tf.Tensor4D | undefined, height: number, width: number) => {
  if (!weights) return (values: tf.Tensor4D): tf.Tensor4D => tf.mean(values, [1, 2], true)
  const small = shrinkWeights(weights, height, width)
  // The guard keeps an image without weight at a distance of zero rather than NaN.
  const shares = tf.div<tf.Tensor4D>(small, tf.maximum(tf.sum(small, [1, 2], true), 1e-12))
  return (values: tf.Tensor4D): tf.Tensor4D => tf.sum(tf.mul(values, shares), [1, 2], true)
}

/**
 * Deep image structure and texture similarity: how means (texture) and correlations (structure) of the image and of
 * VGG-16's features agree, which forgives texture that is the same but elsewhere. In [0, 1] for the published weights, 0
 * for equal images. Images are in [0, 1], of any size; the paper judges with a shorter side of 256 pixels.
 *
 * With region weights, means and correlations are those of the region, and an image counts with its total weight.
 * Weights are the user's: VGG-16 of torchvision and DISTS's `weights.pt`, each `.pt`, `.pth` or safetensors, opened with
 * `@fx/weights`. The checkpoints may be closed afterwards.
 *
 * Cost: as a training loss at 128x128 it takes about 30 times the forward and backward pass of a student of width 0.5
 * (wasm, one thread), so it is a metric first.
 *
 * Source: Ding, Ma, Wang, Simoncelli, "Image quality assessment: unifying structure and texture similarity", IEEE TPAMI
 * 2020, equations 5 to 8.
 *
 * @throws FxError `not-found` for a missing tensor, `shape-mismatch` for one of another shape, `corrupt-file`; its
 * functions `shape-mismatch` for images that do not belong together or are not RGB.
 */
export const dists = async ({ trunk, weights }: DistsOptions): Promise<Dists> => {
  const extractor = await openTrunk('vgg', trunk, l2Pooling)
  try {
    const channels = [3, ...extractor.channels]
    const count = channels.reduce((a, b) => a + b)
    const loaded = await loadExpected("DISTS's weights", weights, [
      { name: 'alpha', shape: [1, count, 1, 1] },
      { name: 'beta', shape: [1, count, 1, 1] },
    ])
    const sum = loaded.flatMap(values => [...values]).reduce((a, b) => a + b)
    const owned = ownTensors('dists', () =>
      channels.map((size, layer) => {
        const start = channels.slice(0, layer).reduce((a, b) => a + b, 0)
        const [alpha, beta] = loaded.map(values =>
          tf.tensor1d(values.slice(start, start + size).map(value => value / sum)),
        )
        return { alpha: alpha!, beta: beta! }
      }),
    )

    const distances = (x: tf.Tensor4D, y: tf.Tensor4D, region?: tf.Tensor4D): tf.Tensor1D =>
      tf.tidy(() => {
        checkRgbImages('dists', x, y, region, extractor.smallestSide)
        const ofX = [x, ...extractor.features(x)]
        const ofY = [y, ...extractor.features(y)]
        const similarities = owned.use().map(({ alpha, beta }, layer) => {
          const mean = meanOver(region, ofX[layer]!.shape[1], ofX[layer]!.shape[2])
          const meanX = mean(ofX[layer]!)
          const meanY = mean(ofY[layer]!)
          const fromMeanX = tf.sub<tf.Tensor4D>(ofX[layer]!, meanX)
          const fromMeanY = tf.sub<tf.Tensor4D>(ofY[layer]!, meanY)
          const variances = tf.add(mean(tf.square(fromMeanX)), mean(tf.square(fromMeanY)))
          const covariance = mean(tf.mul(fromMeanX, fromMeanY))
          const texture = similarity(tf.mul(meanX, meanY), tf.add(tf.square(meanX), tf.square(meanY)))
          const structure = similarity(covariance, variances)
          return tf.sum<tf.Tensor1D>(tf.add(tf.mul(texture, alpha), tf.mul(structure, beta)), [1, 2, 3])
        })
        return tf.sub(1, tf.addN(similarities))
      })

    return {
      loss: (prediction, target, { weights: region } = {}) =>
        tf.tidy(() => {
          const each = distances(prediction, target, region)
          if (!region) return tf.mean(each)
          const totals = tf.sum(region, [1, 2, 3])
          return tf.div(tf.sum(tf.mul(each, totals)), tf.maximum(tf.sum(totals), 1e-12))
        }),
      distances: (x, y) => distances(x, y),
      dispose: () => {
        owned.dispose()
        extractor.dispose()
      },
    }
  } catch (error) {
    extractor.dispose()
    throw error
  }
}

const similarity = (product: tf.Tensor, squares: tf.Tensor): tf.Tensor =>
  tf.div(tf.add(tf.mul(product, 2), stabiliser), tf.add(squares, stabiliser))
