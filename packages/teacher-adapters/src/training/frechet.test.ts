import { prepareBackend } from '@fx/backend'
import { seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { Matrix } from 'ml-matrix'
import { beforeAll, expect, test } from 'vitest'
import { readArrays } from '../../test/stylegan2.js'
import { collectStatistics, type FeatureStatistics, frechetDistance, thumbnail8x8 } from '../stylegan2-training.js'

beforeAll(() => prepareBackend({ backend: 'cpu' }))

const statistics = (mean: number[], covariance: Matrix): FeatureStatistics => ({
  count: 100,
  mean: Float64Array.from(mean),
  covariance: Float64Array.from(covariance.to1DArray()),
})
const ofFeatures = (features: ArrayLike<number>, rows: number, batch = rows): FeatureStatistics => {
  const collector = collectStatistics()
  const length = features.length / rows
  const values = Float64Array.from(features)
  for (let start = 0; start < rows; start += batch) {
    const part = values.subarray(start * length, Math.min(rows, start + batch) * length)
    collector.add(part, part.length / length)
  }
  return collector.finish()
}
/** A rotation, so that covariances are not diagonal. */
const rotation = (angle: number): Matrix =>
  new Matrix([
    [Math.cos(angle), -Math.sin(angle), 0],
    [Math.sin(angle), Math.cos(angle), 0],
    [0, 0, 1],
  ])

test('Gaussians whose covariances commute: |m1 - m2|^2 + sum of (sqrt(a) - sqrt(b))^2', () => {
  const turned = (...diagonal: number[]): Matrix => rotation(0.7).mmul(Matrix.diag(diagonal)).mmul(rotation(-0.7))
  const a = statistics([1, 2, 3], turned(4, 9, 0.25))
  const b = statistics([1, 0, 4], turned(1, 16, 0))
  expect(frechetDistance(a, b)).toBeCloseTo(5 + 1 + 1 + 0.25, 9)
  expect(frechetDistance(b, a)).toBeCloseTo(7.25, 9)
  expect(frechetDistance(a, a)).toBeCloseTo(0, 9)
})

test('two Gaussians in the plane whose covariances do not commute', () => {
  const [a, b] = [
    new Matrix([
      [2, 1],
      [1, 3],
    ]),
    new Matrix([
      [5, -1],
      [-1, 1],
    ]),
  ]
  // For 2 x 2: tr sqrt(AB) = sqrt(tr(AB) + 2 sqrt(det(AB))).
  const cross = Math.sqrt(a.mmul(b).trace() + 2 * Math.sqrt(5 * 4))
  expect(frechetDistance(statistics([0, 0], a), statistics([0, 0], b))).toBeCloseTo(5 + 6 - 2 * cross, 9)
})

test.each([
  ['full', 10.118438358040052, 1e-9],
  // Fewer vectors than would give covariances of full rank with some margin.
  ['wide', 83.4462015381352, 1e-6],
])('the reference value of the features "%s"', (name, expected, tolerance) => {
  const arrays = readArrays('features.safetensors')
  const [a, b] = ['a', 'b'].map(which => {
    const { shape, data } = arrays.get(`${name}.${which}`)!
    return ofFeatures(data, shape[0]!, 7)
  })
  expect(Math.abs(frechetDistance(a!, b!) / expected - 1)).toBeLessThan(tolerance)
})

test('statistics do not depend on the batches, nor on how far from zero the features lie', () => {
  const { normal } = seededRandom('features')
  const values = Float64Array.from({ length: 200 * 5 }, normal)
  const whole = ofFeatures(values, 200)
  const parts = ofFeatures(values, 200, 33)
  const far = ofFeatures(
    values.map(value => value + 1e6),
    200,
    33,
  )
  for (let i = 0; i < 25; i++) {
    expect(parts.covariance[i]).toBeCloseTo(whole.covariance[i]!, 12)
    expect(far.covariance[i]).toBeCloseTo(whole.covariance[i]!, 6)
  }
  expect(far.mean[3]! - 1e6).toBeCloseTo(whole.mean[3]!, 6)
})

test('what cannot be compared is refused', () => {
  expect(() => collectStatistics().finish()).toThrow(/at least 2 feature vectors; there are 0/)
  const collector = collectStatistics()
  collector.add([1, 2, 3, 4], 2)
  expect(() => collector.add([1, 2, 3], 1)).toThrow(expect.objectContaining({ code: 'shape-mismatch' }))
  const three = statistics([0, 0, 0], Matrix.eye(3))
  expect(() => frechetDistance(three, collector.finish())).toThrow(/3 and of 2 features/)
})

test('thumbnails are means of cells', async () => {
  const images = tf.tensor4d(
    Float32Array.from({ length: 2 * 16 * 16 * 3 }, (_, i) => i % 7),
    [2, 16, 16, 3],
  )
  const before = tf.memory().numTensors
  const features = await thumbnail8x8.extract(images)
  expect(features.shape).toEqual([2, 192])
  const pixels = images.arraySync()
  const mean = (pixels[1]![2]![4]![1]! + pixels[1]![2]![5]![1]! + pixels[1]![3]![4]![1]! + pixels[1]![3]![5]![1]!) / 4
  expect(features.arraySync()[1]![(1 * 8 + 2) * 3 + 1]).toBeCloseTo(mean, 6)
  features.dispose()
  expect(tf.memory().numTensors).toBe(before)
  images.dispose()
})
