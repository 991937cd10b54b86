import { prepareBackend } from '@fx/backend'
import { seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { randomImages, readFixture } from '../../test/helpers.js'
import { testBackends } from '../../test/suite.js'
import {
  type Embedder,
  type FeatureStatistics,
  featureStatistics,
  frechet,
  frechetDistance,
  kernelDistance,
  kid,
  type Metric,
} from '../metrics.js'

/** Images of one row are their own features. */
const pixels: Embedder = {
  name: 'pixels',
  embed: images => tf.reshape(images, [images.shape[0], -1]),
}
const fixture = readFixture('distribution_distances.safetensors')

describe.each([
  ['full', 10.118438358040052, 5.3742885897874935, 5.581358524163189, 1e-6],
  ['wide', 83.4462015381352, 27.694204117690997, 29.935677589303346, 1e-6],
] as const)('the reference values of "%s"', (name, frechetValue, kidSubsets, kidFull, tolerance) => {
  const [a, b] = [fixture[`${name}.a`]!, fixture[`${name}.b`]!]
  const length = a.shape[1]!
  const relative = (actual: number, expected: number) => Math.abs(actual - expected) / expected

  test('Fréchet distance', () => {
    const [first, second] = [featureStatistics(a.data, length), featureStatistics(b.data, length)]
    expect(relative(frechetDistance(first, second), frechetValue)).toBeLessThan(tolerance)
    expect(relative(frechetDistance(second, first), frechetValue)).toBeLessThan(tolerance)
  })

  test('kernel distance', () => {
    expect(relative(kernelDistance(a.data, b.data, length), kidFull)).toBeLessThan(1e-9)
    const [ofA, ofB] = [fixture[`${name}.kid_idx_a`]!, fixture[`${name}.kid_idx_b`]!]
    const [subsets, size] = ofA.shape as [number, number]
    const chosen = (values: Float32Array, indices: Float32Array, subset: number) =>
      // The file holds int32, which the reader passes on as it lies.
      Array.from(new Int32Array(indices.buffer).subarray(subset * size, (subset + 1) * size)).flatMap(row =>
        Array.from(values.subarray(row * length, (row + 1) * length)),
      )
    let sum = 0
    for (let s = 0; s < subsets; s++)
      sum += kernelDistance(chosen(a.data, ofA.data, s), chosen(b.data, ofB.data, s), length)
    expect(relative(sum / subsets, kidSubsets)).toBeLessThan(1e-9)
  })
})

describe('Fréchet distances that are known', () => {
  const gaussian = (mean: number[], covariance: number[]): FeatureStatistics => ({
    count: 100,
    mean: Float64Array.from(mean),
    covariance: Float64Array.from(covariance),
  })

  test('of one dimension: (m1 - m2)^2 + (s1 - s2)^2', () => {
    expect(frechetDistance(gaussian([1], [4]), gaussian([3], [0.25]))).toBeCloseTo(4 + 1.5 ** 2, 12)
    expect(frechetDistance(gaussian([1], [0]), gaussian([3], [0]))).toBeCloseTo(4, 12)
  })

  test('of covariances that do not commute', () => {
    const [a, b] = [gaussian([0, 0], [2, 1, 1, 3]), gaussian([1, 0], [5, -1, -1, 1])]
    // For 2 x 2: tr sqrt(AB) = sqrt(tr(AB) + 2 sqrt(det(AB))); tr(AB) = 11, det A = 5, det B = 4.
    expect(frechetDistance(a, b)).toBeCloseTo(1 + 5 + 6 - 2 * Math.sqrt(11 + 2 * Math.sqrt(20)), 12)
  })

  test('of singular covariances', () => {
    // Along (1, 1) with variance 2, against the x axis with variance 1: S1 S2 has the eigenvalues 1 and 0.
    expect(frechetDistance(gaussian([0, 0], [1, 1, 1, 1]), gaussian([0, 0], [1, 0, 0, 0]))).toBeCloseTo(2 + 1 - 2, 12)
  })

  test('of many dimensions, turned: the sum over axes of (s1 - s2)^2', () => {
    const size = 30
    const random = seededRandom('rotation')
    // A reflection I - 2 v v^T turns diagonal matrices.
    const direction = Array.from({ length: size }, random.normal)
    const norm = Math.hypot(...direction)
    const reflected = (scales: number[]) => {
      const q = (i: number, j: number) => (i === j ? 1 : 0) - (2 * direction[i]! * direction[j]!) / norm ** 2
      return Array.from({ length: size * size }, (_, at) =>
        scales.reduce((sum, s, k) => sum + s ** 2 * q(Math.floor(at / size), k) * q(at % size, k), 0),
      )
    }
    const first = Array.from({ length: size }, () => random.uniform() * 3)
    const second = Array.from({ length: size }, (_, i) => (i < 5 ? 0 : random.uniform()))
    const zero = new Array(size).fill(0)
    const expected = first.reduce((sum, s, i) => sum + (s - second[i]!) ** 2, 0)
    const distance = frechetDistance(gaussian(zero, reflected(first)), gaussian(zero, reflected(second)))
    expect(Math.abs(distance - expected)).toBeLessThan(1e-5 * expected)
  })

  test('statistics of vectors far from zero keep their variance', () => {
    const { mean, covariance } = featureStatistics([1e8 + 1, 5, 1e8 + 2, 5, 1e8 + 3, 5], 2)
    expect(Array.from(mean)).toEqual([1e8 + 2, 5])
    expect(Array.from(covariance)).toEqual([1, 0, 0, 0])
  })
})

describe.each(testBackends)('on %s', backend => {
  beforeAll(() => prepareBackend({ backend }))

  /** Images [rows, 1, width, 1] around a level. */
  const cloud = (rows: number, width: number, level: number, seed: string): tf.Tensor4D =>
    randomImages([rows, 1, width, 1], seed, level - 0.2, level + 0.2)
  const collected = async (
    metric: Metric,
    output: tf.Tensor4D,
    target: tf.Tensor4D,
    order: number[],
    batch: number,
  ) => {
    for (let start = 0; start < order.length; start += batch) {
      const indices = order.slice(start, start + batch)
      await metric.add({
        output: tf.gather(output, indices),
        target: tf.gather(target, indices),
        slice: indices.map(i => (i % 3 ? 'common' : 'rare')),
      })
    }
    return metric
  }

  test('the metrics equal the functions, in batches of any size', async () => {
    const [output, target] = [cloud(24, 5, 0.5, 'o'), cloud(24, 5, 0.6, 't')]
    const order = Array.from({ length: 24 }, (_, i) => i)
    const features = (images: tf.Tensor4D) => images.dataSync()
    for (const [create, expected] of [
      [
        () => frechet(pixels, { parts: 3, replicates: 50 }),
        frechetDistance(featureStatistics(features(output), 5), featureStatistics(features(target), 5)),
      ],
      [() => kid(pixels, { replicates: 50 }), kernelDistance(features(output), features(target), 5)],
    ] as const) {
      const whole = await collected(create(), output, target, order, 24)
      expect(whole.result().value).toBeCloseTo(expected, 9)
      expect(whole.result().count).toBe(24)
      expect(
        whole
          .slices()
          .rows.map(row => row.count)
          .sort(),
      ).toEqual([16, 8])
      for (const batch of [1, 7]) {
        const other = await collected(create(), output, target, order, batch)
        expect(other.result()).toEqual(whole.result())
        expect(other.slices()).toEqual(whole.slices())
      }
      const turned = await collected(create(), output, target, [...order].reverse(), 5)
      expect(turned.result().value).toBeCloseTo(expected, 9)
      const { low, high } = whole.result().interval!
      expect(low).toBeLessThan(expected)
      expect(high).toBeGreaterThan(expected)
    }
  })

  test('KID is the weighted mean over subsets of consecutive images', async () => {
    const [output, target] = [cloud(11, 4, 0.4, 'o'), cloud(11, 4, 0.6, 't')]
    const metric = await collected(
      kid(pixels, { subsetSize: 4, replicates: 20 }),
      output,
      target,
      [...Array(11).keys()],
      3,
    )
    const part = (images: tf.Tensor4D, from: number, to: number) => images.dataSync().slice(4 * from, 4 * to)
    const of = (from: number, to: number) => kernelDistance(part(output, from, to), part(target, from, to), 4)
    expect(metric.result().value).toBeCloseTo((4 * of(0, 4) + 4 * of(4, 8) + 3 * of(8, 11)) / 11, 9)
    // A lone last image has no other of its subset to be compared with.
    const short = await collected(
      kid(pixels, { subsetSize: 4, replicates: 20 }),
      output,
      target,
      [...Array(9).keys()],
      9,
    )
    expect(short.result().value).toBeCloseTo((of(0, 4) + of(4, 8)) / 2, 9)
    expect(short.result().count).toBe(9)
  })

  test('equal and black images have no distance, and nothing becomes NaN', async () => {
    const image = cloud(6, 5, 0.5, 'same')
    const black = tf.zeros([6, 1, 5, 1]) as tf.Tensor4D
    const options = { parts: 3, replicates: 30 }
    for (const [output, target] of [
      [image, image],
      [black, black],
      [black, image],
    ] as const) {
      for (const metric of [frechet(pixels, options), kid(pixels, { replicates: 30 })]) {
        await metric.add({ output, target })
        const { value, interval } = metric.result()
        expect([value, interval!.low, interval!.high].every(Number.isFinite)).toBe(true)
        if (output === black && target === black) expect(value).toBe(0)
        if (metric.name === 'frechet (pixels)' && output === target) expect(value).toBeLessThan(1e-7)
      }
    }
    const single = frechet(pixels)
    await single.add({ output: tf.zeros([1, 1, 5, 1]), target: tf.zeros([1, 1, 5, 1]), slice: 'small' })
    expect(() => single.result()).toThrow(/frechet \(pixels\): at least 2 images are needed, and 1 had/)
    await single.add({ output: image, target: black, slice: 'large' })
    expect(single.slices()).toMatchObject({ tooFew: ['small'], worst: 'large', gap: 0 })
    expect(single.slices().rows[0]!.interval).toBeNull()
  })

  test('an embedder that breaks its word is refused, and no tensor is kept', async () => {
    const image = cloud(3, 5, 0.5, 'i')
    const before = tf.memory().numTensors
    const wrong = frechet({ name: 'wrong', embed: images => tf.mean(images, [1, 2, 3]) })
    await expect(wrong.add({ output: image, target: image })).rejects.toThrow(
      expect.objectContaining({
        code: 'shape-mismatch',
        message: expect.stringMatching(/'wrong' must give \[3, F\], got \[3\]/),
      }),
    )
    const infinite = kid({ name: 'infinite', embed: images => tf.fill([images.shape[0], 2], 1 / 0) })
    await expect(infinite.add({ output: image, target: image })).rejects.toThrow(
      expect.objectContaining({ code: 'not-finite' }),
    )
    let width = 1
    const changing = kid({ name: 'changing', embed: images => tf.ones([images.shape[0], width++]) })
    await expect(changing.add({ output: image, target: image })).rejects.toThrow(
      /'changing' must give \[3, 1\], got \[3, 2\]/,
    )
    await frechet(pixels).add({ output: image, target: image })
    expect(tf.memory().numTensors).toBe(before)
  })
})

test('intervals of distances hold the true distance about as often as they say', async () => {
  await prepareBackend({ backend: 'cpu' })
  // Uniform numbers of standard deviation s / sqrt(12), one feature: the Gaussians' distance is known.
  const cloud = (seed: string, low: number, high: number) => randomImages([200, 1, 1, 1], seed, low, high)
  const expected = 0.1 ** 2 + ((0.8 - 0.4) / Math.sqrt(12)) ** 2
  let held = 0
  for (let experiment = 0; experiment < 100; experiment++) {
    const metric = frechet(pixels, { level: 0.9, replicates: 200, seed: experiment })
    await metric.add({ output: cloud(`o${experiment}`, 0.1, 0.9), target: cloud(`t${experiment}`, 0.4, 0.8) })
    const { low, high } = metric.result().interval!
    if (low <= expected && expected <= high) held++
  }
  expect(held).toBeGreaterThan(78)
  expect(held).toBeLessThan(99)
})

test('options and sets out of range are named', () => {
  expect(() => frechet(pixels, { parts: 1 })).toThrow(
    /frechet \(pixels\): parts is 1; it must be a whole number from 2/,
  )
  expect(() => kid(pixels, { subsetSize: 1 })).toThrow(/kid \(pixels\): subsetSize is 1/)
  expect(() => featureStatistics([1, 2, 3], 2)).toThrow(/at least 2 whole vectors of 2 values are needed, got 3 values/)
  expect(() => kernelDistance([1, 2], [1, 2, 3, 4], 2)).toThrow(/kernelDistance: at least 2 whole vectors/)
  const [one, two] = [featureStatistics([1, 2, 3], 1), featureStatistics([1, 2, 3, 4], 2)]
  expect(() => frechetDistance(one, two)).toThrow(/Statistics of 1 and of 2 features/)
})
