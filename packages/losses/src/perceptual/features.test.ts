import { prepareBackend } from '@fx/backend'
import { installTrainingKernels } from '@fx/backend/training'
import * as tf from '@tensorflow/tfjs-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { randomImages } from '../../test/helpers.js'
import { trunkTensors, weightsOf } from '../../test/rule-weights.js'
import { type FeatureExtractor, featureDistance, torchvisionFeatures } from '../perceptual.js'

const value = (scalar: tf.Tensor): number => {
  const [number] = scalar.dataSync()
  scalar.dispose()
  return number!
}

/** The image itself, and its quarters' means. */
const pixels: FeatureExtractor = {
  name: 'pixels',
  channels: [3, 3],
  smallestSide: 2,
  features: images => [tf.mul(images, 1), tf.avgPool(images, 2, 2, 'valid')],
  dispose: () => undefined,
}
const images = (values: number[]) => tf.tensor4d(values, [1, 2, 2, 3])
const x = () => images([1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0])
const y = () => images([0, 3, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0])

describe.each(['cpu', 'wasm'] as const)('on %s', backend => {
  let uninstall: () => void
  beforeAll(async () => {
    await prepareBackend({ backend })
    uninstall = await installTrainingKernels()
  })
  afterAll(() => uninstall())

  test('maps are compared as chosen', () => {
    const first = (compare: 'unit' | 'l1' | 'squared') => featureDistance(pixels, { compare, layerWeights: [1, 0] })
    // Of four places one points elsewhere, two differ in length alone, one is zero in both.
    expect(value(first('unit').loss(x(), y()))).toBeCloseTo(2 / 4, 6)
    expect(value(first('l1').loss(x(), y()))).toBeCloseTo((1 + 3 + 4 + 1) / 12, 6)
    expect(value(first('squared').loss(x(), y()))).toBeCloseTo((1 + 9 + 16 + 1) / 12, 6)
    const both = featureDistance(pixels, { compare: 'l1', layerWeights: [2, 10] })
    const means = (Math.abs(1 - 0) + Math.abs(1 - 8) + Math.abs(2 - 1)) / 4 / 3
    expect(value(both.distances(x(), y()))).toBeCloseTo((2 * 9) / 12 + 10 * means, 5)
  })

  test('the map is enlarged as torch does without aligned corners', () => {
    const pooled: FeatureExtractor = {
      ...pixels,
      channels: [3],
      features: image => [tf.avgPool(image, 2, 2, 'valid')],
    }
    const blocks = tf.image.resizeNearestNeighbor(images([1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]), [4, 4])
    const map = featureDistance(pooled, { compare: 'l1' }).map(blocks, tf.zerosLike(blocks))
    const line = [1, 1.25, 1.75, 2]
    const expected = [0, 0.5, 1.5, 2].flatMap(down => line.map(across => across + down))
    expect([...map.dataSync()].map(v => Math.round(v * 1e5) / 1e5)).toEqual(expected)
  })

  test('region weights count by the area that a place covers', () => {
    const coarse: FeatureExtractor = {
      ...pixels,
      channels: [3],
      features: image => [tf.image.resizeBilinear(image, [2, 2])],
    }
    const { loss } = featureDistance(coarse, { compare: 'l1' })
    const ramp = tf.tensor4d(
      Array.from({ length: 27 }, (_, at) => Math.floor(at / 3) % 3),
      [1, 3, 3, 3],
    )
    const black = tf.zerosLike(ramp)
    const value2x2 = tf.mean(tf.image.resizeBilinear(ramp, [2, 2]), 3).dataSync()
    // Of three columns the middle one belongs half to each of two places.
    const weights = tf.tensor4d([1, 4, 0, 1, 4, 0, 1, 4, 0], [1, 3, 3, 1])
    const [left, right] = [(1 + 4 / 2) / 1.5, 4 / 2 / 1.5]
    const expected =
      (left * (value2x2[0]! + value2x2[2]!) + right * (value2x2[1]! + value2x2[3]!)) / (2 * (left + right))
    expect(value(loss(ramp, black, { weights }))).toBeCloseTo(expected, 5)
  })

  test.each(['unit', 'l1', 'squared'] as const)('%s: equal and black images give no NaN', compare => {
    const { loss } = featureDistance(pixels, { compare })
    const black = tf.zeros([1, 4, 4, 3]) as tf.Tensor4D
    const noise = randomImages([1, 4, 4, 3], 'noise')
    for (const [a, b] of [
      [noise, noise],
      [black, black],
      [black, noise],
    ] as const) {
      const { value: distance, grad } = tf.valueAndGrad(image => loss(image as tf.Tensor4D, b))(a)
      expect(grad.dataSync().every(Number.isFinite)).toBe(true)
      if (a === b) expect(value(distance)).toBe(0)
      else expect(value(distance)).toBeGreaterThan(0)
    }
  })
})

test.each(['unit', 'l1', 'squared'] as const)('%s: descending it moves noise to the target', async compare => {
  await prepareBackend({ backend: 'wasm' })
  const uninstall = await installTrainingKernels()
  const trunk = await torchvisionFeatures('squeeze', weightsOf(trunkTensors('squeeze')))
  const { loss } = featureDistance(trunk, { compare })
  const target = randomImages([1, 18, 18, 3], 'target', 0.3, 0.7)
  const image = tf.variable(tf.add(target, randomImages([1, 18, 18, 3], 'noise', -0.2, 0.2)))
  const before = value(loss(image as tf.Tensor4D, target))
  const optimizer = tf.train.adam(0.01)
  for (let step = 0; step < 80; step++) {
    if (step === 50) (optimizer as unknown as { learningRate: number }).learningRate = 0.002
    optimizer.minimize(() => loss(image as tf.Tensor4D, target))
  }
  expect(value(loss(image as tf.Tensor4D, target))).toBeLessThan(0.15 * before)
  trunk.dispose()
  uninstall()
})

test('nothing is left behind, and the extractor stays the caller’s', async () => {
  const a = randomImages([1, 17, 17, 3], 'a')
  const b = randomImages([1, 17, 17, 3], 'b')
  const before = tf.memory().numTensors
  const trunk = await torchvisionFeatures('squeeze', weightsOf(trunkTensors('squeeze')))
  const distance = featureDistance(trunk)
  tf.dispose([distance.loss(a, b), distance.distances(a, b), distance.map(a, b), trunk.features(a)])
  trunk.dispose()
  expect(tf.memory().numTensors).toBe(before)
  expect(() => distance.loss(a, b)).toThrow(/SqueezeNet 1.1 was disposed/)
  expect(tf.memory().numTensors).toBe(before)
})

test('bad options and extractors are named', () => {
  expect(() => featureDistance(pixels, { compare: 'cosine' as 'unit' })).toThrow(
    /'unit', 'l1' or 'squared', got 'cosine'/,
  )
  for (const layerWeights of [[1], [1, -1], [0, 0], [1, Number.NaN]]) {
    expect(() => featureDistance(pixels, { layerWeights })).toThrow(/must be 2 numbers, not negative and not all 0/)
  }
  expect(() => featureDistance({ ...pixels, channels: [3, 4] }).loss(x(), y())).toThrow(
    /'pixels' gave maps of \[3, 3\] channels, declared are \[3, 4\]/,
  )
  expect(() => featureDistance(pixels).loss(tf.zeros([1, 1, 2, 3]), tf.zeros([1, 1, 2, 3]))).toThrow(
    /at least 2 pixels/,
  )
})
