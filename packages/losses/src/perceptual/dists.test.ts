import { prepareBackend } from '@fx/backend'
import { installTrainingKernels } from '@fx/backend/training'
import * as tf from '@tensorflow/tfjs-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nhwc, randomImages, readFixture } from '../../test/helpers.js'
import { imageMap, type NaiveMap, naiveVgg } from '../../test/naive-trunk.js'
import { distsTensors, trunkTensors, weightsOf } from '../../test/rule-weights.js'
import { l1, weighted } from '../index.js'
import { type Dists, dists } from '../perceptual.js'
import { l2Pooling } from './dists.js'

const trunk = trunkTensors('vgg')
const open = () => dists({ trunk: weightsOf(trunk), weights: weightsOf(distsTensors()) })
const value = (scalar: tf.Tensor): number => {
  const [number] = scalar.dataSync()
  scalar.dispose()
  return number!
}

/** DISTS by its equations, in plain loops. */
const naiveDists = (x: tf.Tensor4D, y: tf.Tensor4D): number => {
  const [, height, width] = x.shape
  const [ofX, ofY] = [x, y].map(image => {
    const map = imageMap(image.dataSync(), height, width)
    return [map, ...naiveVgg(map, trunk, 'l2')]
  }) as [NaiveMap[], NaiveMap[]]
  const { alpha, beta } = distsTensors()
  let similarity = 0
  let channel = 0
  ofX.forEach((map, layer) => {
    const places = map.height * map.width
    for (let c = 0; c < map.channels; c++, channel++) {
      const of = ({ values }: NaiveMap) => [...values.subarray(c * places, (c + 1) * places)]
      const [u, v] = [of(map), of(ofY[layer]!)]
      const mean = (values: number[]) => values.reduce((a, b) => a + b) / places
      const [meanU, meanV] = [mean(u), mean(v)]
      const variance = (values: number[], m: number) => mean(values.map(value => (value - m) ** 2))
      const covariance = mean(u.map((value, at) => value * v[at]!)) - meanU * meanV
      const texture = (2 * meanU * meanV + 1e-6) / (meanU ** 2 + meanV ** 2 + 1e-6)
      const structure = (2 * covariance + 1e-6) / (variance(u, meanU) + variance(v, meanV) + 1e-6)
      similarity += alpha.data[channel]! * texture + beta.data[channel]! * structure
    }
  })
  return 1 - similarity / [...alpha.data, ...beta.data].reduce((a, b) => a + b)
}

describe.each(['cpu', 'wasm'] as const)('on %s', backend => {
  let uninstall: () => void
  let metric: Dists
  beforeAll(async () => {
    await prepareBackend({ backend })
    uninstall = await installTrainingKernels()
    metric = await open()
  })
  afterAll(() => {
    metric.dispose()
    uninstall()
  })

  test('L2 pooling and its gradient equal the reference implementation', () => {
    const fixture = readFixture('dists_l2pool.safetensors')
    const { value: y, grad } = tf.valueAndGrad(x => tf.sum(l2Pooling(x as tf.Tensor4D)))(nhwc(fixture.x!))
    const close = (actual: tf.Tensor4D, name: string) => {
      const expected = fixture[name]!.data
      const values = tf.transpose(actual, [0, 3, 1, 2]).dataSync<'float32'>()
      expect(values.length).toBe(expected.length)
      for (const [at, v] of values.entries()) {
        expect(Math.abs(v - expected[at]!), name).toBeLessThanOrEqual(1e-6 + 1e-5 * Math.abs(expected[at]!))
      }
    }
    close(l2Pooling(nhwc(fixture.x!)), 'y')
    close(grad as tf.Tensor4D, 'grad_sum')
    expect(value(y)).toBeCloseTo(
      fixture.y!.data.reduce((a, b) => a + b),
      3,
    )
  })

  test('the distance equals its equations in plain loops', () => {
    const x = randomImages([1, 5, 6, 3], 'x')
    const y = randomImages([1, 5, 6, 3], 'y')
    const expected = naiveDists(x, y)
    expect(expected).toBeGreaterThan(0.01)
    expect(value(metric.distances(x, y))).toBeCloseTo(expected, 4)
    expect(value(metric.loss(x, y))).toBeCloseTo(expected, 4)
  })

  test('equal, black, white and single-pixel images give no NaN', () => {
    const noise = randomImages([1, 5, 4, 3], 'noise')
    const pixel = tf.ones([1, 1, 1, 3]) as tf.Tensor4D
    const [black, white] = [tf.zerosLike(noise), tf.onesLike(noise)]
    for (const [x, y] of [
      [noise, noise],
      [black, black],
      [white, black],
      [black, noise],
      [pixel, pixel],
    ] as const) {
      const { value: distance, grad } = tf.valueAndGrad(image => metric.loss(image as tf.Tensor4D, y))(x)
      expect(grad.dataSync().every(Number.isFinite)).toBe(true)
      if (x === y) expect(Math.abs(value(distance))).toBeLessThan(1e-5)
      else expect(value(distance)).toBeGreaterThan(1e-3)
    }
  })
})

describe('on wasm', () => {
  let uninstall: () => void
  let metric: Dists
  beforeAll(async () => {
    await prepareBackend({ backend: 'wasm' })
    uninstall = await installTrainingKernels()
    metric = await open()
  })
  afterAll(() => {
    metric.dispose()
    uninstall()
  })

  test('the gradient agrees with central differences', () => {
    const x = randomImages([1, 16, 17, 3], 'x')
    const y = randomImages([1, 16, 17, 3], 'y')
    const weights = randomImages([1, 16, 17, 1], 'w', 0.1, 4)
    const gradient = tf.grad(image => metric.loss(image as tf.Tensor4D, y, { weights }))(x)
    const direction = tf.sign(gradient)
    const at = (step: number) => value(metric.loss(tf.add(x, tf.mul(direction, step)), y, { weights }))
    const slope = value(tf.sum(tf.abs(gradient)))
    expect(Math.abs((at(1e-4) - at(-1e-4)) / 2e-4 - slope)).toBeLessThan(0.02 * slope)
  })

  test('descending it moves noise to the target', () => {
    const target = randomImages([1, 8, 8, 3], 'target', 0.3, 0.7)
    const image = tf.variable(tf.add(target, randomImages([1, 8, 8, 3], 'noise', -0.2, 0.2)))
    const before = value(metric.loss(image as tf.Tensor4D, target))
    const pixelsBefore = value(l1()(image as tf.Tensor4D, target))
    const optimizer = tf.train.adam(0.01)
    for (let step = 0; step < 90; step++) {
      if (step === 60) (optimizer as unknown as { learningRate: number }).learningRate = 0.002
      optimizer.minimize(() => metric.loss(image as tf.Tensor4D, target))
    }
    expect(value(metric.loss(image as tf.Tensor4D, target))).toBeLessThan(0.05 * before)
    expect(value(l1()(image as tf.Tensor4D, target))).toBeLessThan(0.5 * pixelsBefore)
    image.dispose()
  })

  test('weights are relative, and images and places without weight do not count', () => {
    const x = randomImages([2, 8, 8, 3], 'x')
    const y = randomImages([2, 8, 8, 3], 'y')
    const weights = randomImages([2, 8, 8, 1], 'w', 0.5, 2)
    expect(value(metric.loss(x, y, { weights: tf.onesLike(weights) }))).toBeCloseTo(value(metric.loss(x, y)), 5)
    const once = value(metric.loss(x, y, { weights }))
    expect(value(metric.loss(x, y, { weights: tf.mul<tf.Tensor4D>(weights, 9) }))).toBeCloseTo(once, 5)
    expect(value(metric.loss(x, y, { weights: tf.zerosLike(weights) }))).toBe(0)
    const first = tf.concat([tf.ones([1, 8, 8, 1]), tf.zeros([1, 8, 8, 1])]) as tf.Tensor4D
    expect(value(metric.loss(x, y, { weights: first }))).toBeCloseTo(metric.distances(x, y).dataSync()[0]!, 5)
  })

  test('it works in a weighted sum, and leaves no tensor behind', async () => {
    const x = randomImages([1, 4, 4, 3], 'x')
    const y = randomImages([1, 4, 4, 3], 'y')
    const before = tf.memory().numTensors
    const own = await open()
    const { total, terms } = weighted([{ name: 'dists', loss: own.loss, weight: 3 }]).evaluate(x, y)
    expect(total.dataSync()[0]).toBeCloseTo(3 * terms.dists!.dataSync()[0]!, 6)
    tf.dispose([total, terms])
    own.dispose()
    expect(() => own.distances(x, y)).toThrow(/was disposed/)
    expect(tf.memory().numTensors).toBe(before)
  })
})

test('images and weights that do not fit are named, and nothing stays behind', async () => {
  const before = tf.memory().numTensors
  const weights = distsTensors()
  await expect(dists({ trunk: weightsOf({}), weights: weightsOf(weights) })).rejects.toMatchObject({
    code: 'not-found',
  })
  const { alpha } = weights
  await expect(dists({ trunk: weightsOf(trunk), weights: weightsOf({ alpha }) })).rejects.toMatchObject({
    code: 'not-found',
    message: expect.stringMatching(/DISTS's weights: the checkpoint lacks beta/),
  })
  const flat = { ...alpha, shape: [1475] }
  await expect(
    dists({ trunk: weightsOf(trunk), weights: weightsOf({ ...weights, alpha: flat }) }),
  ).rejects.toMatchObject({
    code: 'shape-mismatch',
    message: expect.stringMatching(/alpha must be \[1, 1475, 1, 1\], got \[1475\]/),
  })
  expect(tf.memory().numTensors).toBe(before)
  const metric = await open()
  const grey = tf.zeros([1, 8, 8, 1]) as tf.Tensor4D
  expect(() => metric.loss(grey, grey)).toThrow(/must be RGB/)
  expect(() => metric.distances(tf.zeros([1, 8, 8, 3]), grey)).toThrow(
    expect.objectContaining({ code: 'shape-mismatch' }),
  )
  metric.dispose()
})
