import { prepareBackend } from '@fx/backend'
import { installTrainingKernels } from '@fx/backend/training'
import * as tf from '@tensorflow/tfjs-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nhwc, randomImages, readFixture } from '../../test/helpers.js'
import { imageMap, naiveAlex, naiveVgg } from '../../test/naive-trunk.js'
import { headTensors, ruleChecks, trunkTensors, weightsOf } from '../../test/rule-weights.js'
import { l1, weighted } from '../index.js'
import { type Lpips, lpips, torchvisionFeatures } from '../perceptual.js'

const value = (scalar: tf.Tensor): number => {
  const [number] = scalar.dataSync()
  scalar.dispose()
  return number!
}
const squeeze = (heads = headTensors('squeeze')): Promise<Lpips> =>
  lpips({ net: 'squeeze', trunk: weightsOf(trunkTensors('squeeze')), heads: weightsOf(heads) })

test('the trunk of the goldens is made by their rule', () => {
  const tensors = trunkTensors('squeeze')
  for (const { name, first, sum } of ruleChecks) {
    expect([...tensors[name]!.data.subarray(0, 4)], name).toEqual(first)
    expect(tensors[name]!.data.reduce((a, b) => a + b, 0)).toBeCloseTo(sum, 2)
  }
})

describe.each(['cpu', 'wasm'] as const)('on %s', backend => {
  const fixture = readFixture('lpips_squeeze.safetensors')
  let uninstall: () => void
  let metric: Lpips
  beforeAll(async () => {
    await prepareBackend({ backend })
    uninstall = await installTrainingKernels()
    metric = await squeeze()
  })
  afterAll(() => {
    metric.dispose()
    uninstall()
  })

  test.each(['a', 'b'])('LPIPS equals the reference implementation: images %s', name => {
    const x = nhwc(fixture[`${name}.in0_u8`]!, 1 / 255)
    const y = nhwc(fixture[`${name}.in1_u8`]!, 1 / 255)
    const expected = [...fixture[`${name}.distance`]!.data]
    const close = (actual: number, wanted: number) =>
      expect(Math.abs(actual - wanted)).toBeLessThanOrEqual(1e-5 + 1e-4 * Math.abs(wanted))
    const distances = metric.distances(x, y).dataSync<'float32'>()
    for (const [at, distance] of distances.entries()) close(distance, expected[at]!)

    // The reference takes images in [-1, 1], and its gradient is that of the sum.
    const { value: loss, grad } = tf.valueAndGrad(image => metric.loss(image as tf.Tensor4D, y))(x)
    close(value(loss), expected.reduce((a, b) => a + b) / expected.length)
    const gradient = tf.transpose(tf.mul(grad, expected.length / 2), [0, 3, 1, 2]).dataSync<'float32'>()
    const golden = fixture[`${name}.grad_in0`]!.data
    const scale = golden.reduce((most, v) => Math.max(most, Math.abs(v)), 0)
    const worst = gradient.reduce((most, v, at) => Math.max(most, Math.abs(v - golden[at]!)), 0)
    expect(worst).toBeLessThanOrEqual(1e-7 + 1e-3 * scale)
  })

  test('equal, black and white images and dead features give no NaN', async () => {
    const dead = trunkTensors('squeeze')
    dead['features.0.weight']!.data.fill(0)
    dead['features.0.bias']!.data.fill(-1)
    const blind = await lpips({ net: 'squeeze', trunk: weightsOf(dead), heads: weightsOf(headTensors('squeeze')) })
    const noise = randomImages([1, 20, 18, 3], 'noise')
    const black = tf.zerosLike(noise)
    const white = tf.onesLike(noise)
    for (const [x, y] of [
      [noise, noise],
      [black, black],
      [white, black],
      [black, noise],
    ] as const) {
      for (const { loss } of [metric, blind]) {
        const { value: distance, grad } = tf.valueAndGrad(image => loss(image as tf.Tensor4D, y))(x)
        expect(grad.dataSync().every(Number.isFinite)).toBe(true)
        if (x === y) expect(value(distance)).toBe(0)
        else expect(Number.isFinite(value(distance))).toBe(true)
      }
    }
    blind.dispose()
  })

  test('it works in a weighted sum, and leaves no tensor behind', async () => {
    const x = randomImages([1, 17, 20, 3], 'x')
    const y = randomImages([1, 17, 20, 3], 'y')
    const before = tf.memory().numTensors
    const own = await squeeze()
    const loss = weighted([
      { name: 'l1', loss: l1() },
      { name: 'lpips', loss: own.loss, weight: 0.5 },
    ])
    const { total, terms } = loss.evaluate(x, y)
    const distance = value(own.distances(x, y))
    expect(terms.lpips!.dataSync()[0]).toBeCloseTo(distance, 5)
    expect(total.dataSync()[0]).toBeCloseTo(terms.l1!.dataSync()[0]! + 0.5 * distance, 5)
    own.map(x, y).dispose()
    tf.dispose([total, terms])
    own.dispose()
    own.dispose()
    expect(tf.memory().numTensors).toBe(before)
    expect(() => own.loss(x, y)).toThrow(/was disposed/)
    expect(tf.memory().numTensors).toBe(before)
  })
})

describe('on wasm', () => {
  let uninstall: () => void
  let metric: Lpips
  beforeAll(async () => {
    await prepareBackend({ backend: 'wasm' })
    uninstall = await installTrainingKernels()
    metric = await squeeze()
  })
  afterAll(() => {
    metric.dispose()
    uninstall()
  })

  test.each(['alex', 'vgg'] as const)('the maps of %s equal plain loops at its smallest image', async net => {
    const weights = trunkTensors(net)
    const trunk = await torchvisionFeatures(net, weightsOf(weights))
    const side = trunk.smallestSide
    const image = randomImages([1, side, side, 3], 'x')
    const naive = imageMap(image.dataSync(), side, side)
    const expected = net === 'alex' ? naiveAlex(naive, weights) : naiveVgg(naive, weights, 'max')
    const maps = trunk.features(image)
    expect(maps.map(map => map.shape)).toEqual(expected.map(map => [1, map.height, map.width, map.channels]))
    expect(trunk.channels).toEqual(expected.map(map => map.channels))
    for (const [layer, { values }] of expected.entries()) {
      const actual = tf.transpose(maps[layer]!, [0, 3, 1, 2]).dataSync<'float32'>()
      const scale = Math.max(...values)
      expect(scale).toBeGreaterThan(0.1)
      expect(actual.every((v, at) => Math.abs(v - values[at]!) < 1e-5 * scale)).toBe(true)
    }
    tf.dispose(maps)
    trunk.dispose()
  })

  test('maps have the sizes and channels of torchvision', async () => {
    const trunk = await torchvisionFeatures('squeeze', weightsOf(trunkTensors('squeeze')))
    const sides = trunk.features(randomImages([2, 64, 47, 3], 'x')).map(map => map.shape)
    expect(sides).toEqual([
      [2, 31, 23, 64],
      [2, 15, 11, 128],
      [2, 7, 5, 256],
      [2, 3, 2, 384],
      [2, 3, 2, 384],
      [2, 3, 2, 512],
      [2, 3, 2, 512],
    ])
    expect(trunk.channels).toEqual(sides.map(shape => shape[3]))
    trunk.dispose()
  })

  test('the gradient agrees with central differences', () => {
    const x = randomImages([1, 19, 22, 3], 'x')
    const y = randomImages([1, 19, 22, 3], 'y')
    const weights = randomImages([1, 19, 22, 1], 'w', 0.1, 4)
    const gradient = tf.grad(image => metric.loss(image as tf.Tensor4D, y, { weights }))(x)
    const direction = tf.sign(gradient)
    const at = (step: number) => value(metric.loss(tf.add(x, tf.mul(direction, step)), y, { weights }))
    const slope = value(tf.sum(tf.abs(gradient)))
    expect(Math.abs((at(1e-4) - at(-1e-4)) / 2e-4 - slope)).toBeLessThan(0.02 * slope)
  })

  test('descending it moves noise to the target', () => {
    const target = randomImages([1, 24, 24, 3], 'target', 0.3, 0.7)
    const image = tf.variable(tf.add(target, randomImages([1, 24, 24, 3], 'noise', -0.2, 0.2)))
    const before = value(metric.distances(image as tf.Tensor4D, target))
    const pixelsBefore = value(l1()(image as tf.Tensor4D, target))
    const optimizer = tf.train.adam(0.01)
    for (let step = 0; step < 150; step++) {
      if (step === 110) (optimizer as unknown as { learningRate: number }).learningRate = 0.001
      optimizer.minimize(() => metric.loss(image as tf.Tensor4D, target))
    }
    expect(value(metric.distances(image as tf.Tensor4D, target))).toBeLessThan(0.05 * before)
    expect(value(l1()(image as tf.Tensor4D, target))).toBeLessThan(0.5 * pixelsBefore)
    image.dispose()
  })

  test('weights are relative, and those outside their region do not count', () => {
    const x = randomImages([2, 32, 32, 3], 'x')
    const y = randomImages([2, 32, 32, 3], 'y')
    const weights = randomImages([2, 32, 32, 1], 'w', 0.5, 2)
    const plain = value(metric.loss(x, y))
    expect(value(metric.loss(x, y, { weights: tf.onesLike(weights) }))).toBeCloseTo(plain, 5)
    expect(value(metric.loss(x, y, { weights: tf.mul<tf.Tensor4D>(weights, 9) }))).toBeCloseTo(
      value(metric.loss(x, y, { weights })),
      5,
    )
    expect(value(metric.loss(x, y, { weights: tf.zerosLike(weights) }))).toBe(0)
    const first = tf.concat([tf.ones([1, 32, 32, 1]), tf.zeros([1, 32, 32, 1])]) as tf.Tensor4D
    expect(value(metric.loss(x, y, { weights: first }))).toBeCloseTo(metric.distances(x, y).dataSync()[0]!, 5)
  })

  test('the map shows where images differ', () => {
    const x = randomImages([1, 64, 64, 3], 'x')
    const half = tf.concat([tf.ones([1, 64, 32, 3]), tf.zeros([1, 64, 32, 3])], 2) as tf.Tensor4D
    const map = metric.map(x, tf.mul(x, half))
    expect(map.shape).toEqual([1, 64, 64, 1])
    const mean = (from: number, to: number) => value(tf.mean(tf.slice(map, [0, 0, from, 0], [1, 64, to - from, 1])))
    expect(mean(32, 64)).toBeGreaterThan(5 * mean(0, 16))
  })
})

test('images that cannot be compared are refused', async () => {
  const metric = await squeeze()
  const refused = (x: tf.Tensor4D, y: tf.Tensor4D, message: RegExp) => {
    expect(() => metric.loss(x, y)).toThrow(expect.objectContaining({ code: 'shape-mismatch' }))
    for (const compare of [metric.loss, metric.distances, metric.map]) expect(() => compare(x, y)).toThrow(message)
  }
  const x = tf.zeros([1, 20, 20, 3]) as tf.Tensor4D
  refused(x, tf.zeros([1, 20, 21, 3]), /must have one shape/)
  refused(tf.zeros([1, 16, 20, 3]), tf.zeros([1, 16, 20, 3]), /at least 17 pixels on each side, got 16x20/)
  refused(tf.zeros([1, 20, 20, 1]), tf.zeros([1, 20, 20, 1]), /must be RGB, \[N, H, W, 3\], got \[1, 20, 20, 1\]/)
  expect(() => metric.loss(x, x, { weights: x })).toThrow(/weights must be \[1, 20, 20, 1\]/)
  metric.dispose()
})

test('weights that do not fit are named, and nothing stays behind', async () => {
  const before = tf.memory().numTensors
  const trunk = trunkTensors('squeeze')
  const heads = weightsOf(headTensors('squeeze'))
  const open = (options: Partial<Parameters<typeof lpips>[0]>) =>
    lpips({ net: 'squeeze', trunk: weightsOf(trunk), heads, ...options })
  await expect(open({ net: 'resnet' as 'vgg' })).rejects.toMatchObject({
    code: 'invalid-argument',
    message: expect.stringMatching(/must be 'alex', 'vgg' or 'squeeze', got 'resnet'/),
  })
  await expect(open({ net: 'alex' })).rejects.toMatchObject({
    code: 'not-found',
    message: expect.stringMatching(/AlexNet: the checkpoint lacks features.3.weight.* begins with features.0.weight/),
  })
  await expect(open({ heads: weightsOf(headTensors('alex')) })).rejects.toMatchObject({ code: 'not-found' })
  await expect(open({ heads: weightsOf({}) })).rejects.toThrow(/begins with no tensor/)
  const { 'features.0.weight': kernel, ...rest } = trunk
  const turned = weightsOf({ ...rest, 'features.0.weight': { ...kernel!, shape: [3, 3, 3, 64] } })
  await expect(open({ trunk: turned })).rejects.toMatchObject({
    code: 'shape-mismatch',
    message: expect.stringMatching(/features.0.weight must be \[64, 3, 3, 3\], got \[3, 3, 3, 64\]/),
  })
  expect(tf.memory().numTensors).toBe(before)
})
