import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { EigenvalueDecomposition, Matrix } from 'ml-matrix'

/** Turns images into features whose distribution is compared. */
export interface FeatureExtractor {
  /** Says in tables what the distance rests on. */
  readonly name: string
  /** Features `[N, F]` of images `[N, R, R, 3]` in [-1, 1]; the caller owns them. */
  extract(images: tf.Tensor4D): tf.Tensor2D | Promise<tf.Tensor2D>
}

/**
 * Images averaged down to 8 x 8 RGB, 192 numbers: colours and layout, no textures. Needs no weights. It is NOT the
 * Inception network of the published FID, and its distances compare only with each other.
 */
export const thumbnail8x8: FeatureExtractor = {
  name: 'thumbnail-8x8',
  extract: images =>
    tf.tidy(() => {
      const cell = images.shape[1] / 8
      return tf.reshape(tf.avgPool(images, cell, cell, 'valid'), [images.shape[0], -1]) as tf.Tensor2D
    }),
}

/** Mean `[F]` and covariance `[F, F]` (row-major, divided by count - 1) of features. */
export interface FeatureStatistics {
  count: number
  mean: Float64Array
  covariance: Float64Array
}

/** Collects statistics batch by batch in the memory of one covariance. */
export interface StatisticsCollector {
  /** `rows` feature vectors, row-major. */
  add(features: ArrayLike<number>, rows: number): void
  /** @throws FxError `invalid-argument` for fewer than two vectors. */
  finish(): FeatureStatistics
}

/** @throws FxError from `add`: `shape-mismatch` for vectors of another length than the first. */
export const collectStatistics = (): StatisticsCollector => {
  let length = 0
  let count = 0
  // Everything is measured from the first vector: sums of squares of large values would lose the variance.
  let origin = new Float64Array()
  let sums = new Float64Array()
  let products = new Float64Array()
  return {
    add(features, rows) {
      if (rows === 0) return
      if (count === 0) {
        length = features.length / rows
        origin = Float64Array.from({ length }, (_, i) => features[i]!)
        sums = new Float64Array(length)
        products = new Float64Array(length * length)
      }
      if (features.length !== rows * length) {
        throw new FxError(
          'shape-mismatch',
          `${rows} feature vectors of ${length} were expected, not ${features.length}`,
        )
      }
      const centred = new Float64Array(length)
      for (let row = 0; row < rows; row++) {
        for (let i = 0; i < length; i++) centred[i] = features[row * length + i]! - origin[i]!
        for (let i = 0; i < length; i++) {
          const value = centred[i]!
          sums[i] = sums[i]! + value
          for (let j = 0; j <= i; j++) products[i * length + j] = products[i * length + j]! + value * centred[j]!
        }
      }
      count += rows
    },
    finish() {
      if (count < 2) {
        throw new FxError('invalid-argument', `Statistics need at least 2 feature vectors; there are ${count}`)
      }
      const covariance = new Float64Array(length * length)
      for (let i = 0; i < length; i++) {
        for (let j = 0; j <= i; j++) {
          const value = (products[i * length + j]! - (sums[i]! * sums[j]!) / count) / (count - 1)
          covariance[i * length + j] = value
          covariance[j * length + i] = value
        }
      }
      return { count, mean: sums.map((sum, i) => origin[i]! + sum / count), covariance }
    },
  }
}

const symmetric = (values: Matrix): EigenvalueDecomposition =>
  new EigenvalueDecomposition(values, { assumeSymmetric: true })

/**
 * The Fréchet distance of two Gaussians: `|m1 - m2|^2 + tr(S1 + S2 - 2 (S1^1/2 S2 S1^1/2)^1/2)`.
 *
 * Source: Dowson and Landau, "The Fréchet distance between multivariate normal distributions", 1982; for images Heusel et
 * al., "GANs trained by a two time-scale update rule", NeurIPS 2017, section 2.
 *
 * @throws FxError `shape-mismatch` for statistics of different features.
 */
export const frechetDistance = (a: FeatureStatistics, b: FeatureStatistics): number => {
  const length = a.mean.length
  if (b.mean.length !== length) {
    throw new FxError('shape-mismatch', `Statistics of ${length} and of ${b.mean.length} features cannot be compared`)
  }
  const first = Matrix.from1DArray(length, length, a.covariance)
  const second = Matrix.from1DArray(length, length, b.covariance)
  const { eigenvectorMatrix: vectors, realEigenvalues } = symmetric(first)
  const scaled = vectors.clone()
  // Rounding makes tiny eigenvalues negative.
  realEigenvalues.forEach((value, column) => {
    scaled.mulColumn(column, Math.sqrt(Math.max(0, value)))
  })
  const root = scaled.mmul(vectors.transpose())
  const product = root.mmul(second).mmul(root)
  const middle = product.add(product.transpose()).mul(0.5)
  const cross = symmetric(middle).realEigenvalues.reduce((sum, value) => sum + Math.sqrt(Math.max(0, value)), 0)
  const apart = a.mean.reduce((sum, value, i) => sum + (value - b.mean[i]!) ** 2, 0)
  return apart + first.trace() + second.trace() - 2 * cross
}
