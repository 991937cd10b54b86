import { prepareBackend } from '@fx/backend'
import { installTrainingKernels } from '@fx/backend/training'
import * as tf from '@tensorflow/tfjs-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nhwc, randomImages, readFixture } from '../test/helpers.js'
import { charbonnier, gradientLoss, type Loss, l1, ssim, structuralSimilarity } from './index.js'

const losses: [string, Loss][] = [
  ['l1', l1()],
  ['charbonnier', charbonnier({ epsilon: 0.01 })],
  ['gradientLoss', gradientLoss()],
  ['ssim', ssim({ windowSize: 5 })],
]

describe.each(['cpu', 'wasm'] as const)('on %s', backend => {
  let uninstall: () => void
  beforeAll(async () => {
    await prepareBackend({ backend })
    uninstall = await installTrainingKernels()
  })
  afterAll(() => uninstall())

  const value = (scalar: tf.Scalar): number => {
    const [number] = scalar.dataSync()
    scalar.dispose()
    return number!
  }

  test('l1 and charbonnier equal their definitions', () => {
    const p = tf.tensor4d([0.1, 0.5, 0.9, 0.4], [1, 2, 2, 1])
    const t = tf.tensor4d([0.1, 0.7, 0.4, 0.5], [1, 2, 2, 1])
    expect(value(l1()(p, t))).toBeCloseTo((0 + 0.2 + 0.5 + 0.1) / 4, 6)
    const rho = (d: number) => Math.sqrt(d * d + 0.01)
    const mean = (rho(0) + rho(0.2) + rho(0.5) + rho(0.1)) / 4
    expect(value(charbonnier({ epsilon: 0.1 })(p, t))).toBeCloseTo(mean, 6)
  })

  test('the gradient loss compares signed steps', () => {
    const p = tf.tensor4d([0, 1, 0, 1], [1, 2, 2, 1])
    const t = tf.tensor4d([1, 0, 1, 0], [1, 2, 2, 1])
    expect(value(gradientLoss()(p, t))).toBeCloseTo(2, 6)
    expect(value(gradientLoss()(p, tf.add(p, 0.3)))).toBeCloseTo(0, 6)
  })

  test('SSIM and its gradient equal the reference implementation', () => {
    const fixture = readFixture('ssim.safetensors')
    const x = nhwc(fixture['s.x_u8']!, 1 / 255)
    const y = nhwc(fixture['s.y_u8']!, 1 / 255)
    const close = (actual: tf.Tensor, name: string, tolerance = 2e-5) => {
      const expected = fixture[name]!.data
      actual.dataSync().forEach((v, i) => {
        expect(Math.abs(v - expected[i]!), name).toBeLessThanOrEqual(tolerance)
      })
    }
    close(structuralSimilarity(x, y), 's.ssim')
    close(structuralSimilarity(tf.mul(x, 255), tf.mul(y, 255), { dataRange: 255 }), 's.ssim_range255')
    close(structuralSimilarity(x, tf.sub(1, x)), 's.ssim_negated_image')
    close(structuralSimilarity(x, y, { windowSize: 7, sigma: 1 }), 's.ssim_win7_sigma1')
    close(structuralSimilarity(x, y, { k2: 0.4 }), 's.ssim_K2_0.4')
    const gradient = tf.grad(image => tf.sum(structuralSimilarity(image as tf.Tensor4D, y)))(x)
    const expected = nhwc(fixture['s.grad_ssim_x']!)
    const scale = value(tf.max(tf.abs(expected)) as tf.Scalar)
    close(tf.transpose(gradient, [0, 3, 1, 2]), 's.grad_ssim_x', 1e-7 + 0.002 * scale)
    expect(value(ssim()(x, y))).toBeCloseTo(1 - (fixture['s.ssim']!.data[0]! + fixture['s.ssim']!.data[1]!) / 2, 4)
  })

  test.each(losses)('%s: the gradient agrees with central differences', (_, loss) => {
    const p = randomImages([1, 7, 6, 2], 'p')
    const t = randomImages([1, 7, 6, 2], 't')
    const weights = randomImages([1, 7, 6, 1], 'w', 0.1, 4)
    const gradient = tf
      .grad(x => loss(x as tf.Tensor4D, t, { weights }))(p)
      .dataSync()
    const values = p.dataSync()
    const at = (i: number, step: number) => {
      const moved = values.slice()
      moved[i]! += step
      return value(loss(tf.tensor4d(moved, [1, 7, 6, 2]), t, { weights }))
    }
    for (const i of [0, 13, 40, 55, 83]) {
      const numeric = (at(i, 2e-3) - at(i, -2e-3)) / 4e-3
      expect(Math.abs(numeric - gradient[i]!)).toBeLessThan(1e-3 + 0.02 * Math.abs(numeric))
    }
  })

  test.each(losses)('%s: descending it alone moves noise to the target', (name, loss) => {
    const target = randomImages([1, 8, 8, 1], 'target', 0.3, 0.7)
    const image = tf.variable(tf.add(target, randomImages([1, 8, 8, 1], 'noise', -0.2, 0.2)))
    // A constant offset is invisible to the gradient loss, so it is judged on what it measures.
    const distance = () =>
      value(name === 'gradientLoss' ? loss(image as tf.Tensor4D, target) : l1()(image as tf.Tensor4D, target))
    const before = distance()
    const optimizer = tf.train.adam(0.01)
    for (let step = 0; step < 150; step++) {
      if (step === 110) (optimizer as unknown as { learningRate: number }).learningRate = 0.001
      optimizer.minimize(() => loss(image as tf.Tensor4D, target))
    }
    expect(distance()).toBeLessThan(0.12 * before)
  })

  test.each(losses)('%s: equal, black and white images give no NaN, in value and gradient', (_, loss) => {
    for (const level of [0, 1, 0.4]) {
      const image = tf.fill([1, 6, 6, 3], level) as tf.Tensor4D
      const { value: v, grad } = tf.valueAndGrad(x => loss(x as tf.Tensor4D, image))(image)
      expect(Math.abs(v.dataSync()[0]!)).toBeLessThan(0.02)
      expect(grad.dataSync().every(Number.isFinite)).toBe(true)
    }
  })

  test('L1 leaves pixels alone that equal their target', () => {
    const image = randomImages([1, 4, 4, 3], 'same')
    const gradient = tf.grad(x => l1()(x as tf.Tensor4D, image))(image)
    expect(gradient.dataSync().every(v => v === 0)).toBe(true)
  })

  test.each(losses)('%s: weights are relative, and zero weight means no influence', (_, loss) => {
    const p = randomImages([2, 8, 8, 3], 'p')
    const t = randomImages([2, 8, 8, 3], 't')
    const w = randomImages([2, 8, 8, 1], 'w', 0.5, 2)
    expect(value(loss(p, t, { weights: tf.mul<tf.Tensor4D>(w, 7) }))).toBeCloseTo(value(loss(p, t, { weights: w })), 5)
    expect(value(loss(p, t, { weights: tf.onesLike(w) }))).toBeCloseTo(value(loss(p, t)), 5)
    const none = value(loss(p, t, { weights: tf.zerosLike(w) }))
    expect(Number.isFinite(none)).toBe(true)
  })

  test.each(losses)('%s leaves no tensor behind', (_, loss) => {
    const p = randomImages([1, 8, 8, 3], 'p')
    const t = randomImages([1, 8, 8, 3], 't')
    const wrong = tf.zeros([1, 4, 8, 3]) as tf.Tensor4D
    const before = tf.memory().numTensors
    loss(p, t).dispose()
    structuralSimilarity(p, t, { windowSize: 3 }).dispose()
    expect(() => loss(p, wrong)).toThrow()
    expect(tf.memory().numTensors).toBe(before)
  })
})

test.each(losses)('%s refuses images that do not belong together', (_, loss) => {
  const p = tf.zeros([1, 8, 8, 3]) as tf.Tensor4D
  const shapeMismatch = expect.objectContaining({ code: 'shape-mismatch' })
  expect(() => loss(p, tf.zeros([1, 8, 9, 3]))).toThrow(shapeMismatch)
  expect(() => loss(p, tf.zeros([8, 8, 3]) as unknown as tf.Tensor4D)).toThrow(shapeMismatch)
  expect(() => loss(p, p, { weights: tf.zeros([1, 8, 8, 3]) })).toThrow(/weights must be \[1, 8, 8, 1\]/)
})

test('options out of range are named', () => {
  expect(() => charbonnier({ epsilon: 0 })).toThrow(/epsilon must be positive, got 0/)
  expect(() => ssim({ windowSize: 4 })).toThrow(/odd positive integer, got 4/)
  expect(() => ssim({ sigma: Number.NaN })).toThrow(/sigma must be positive/)
  expect(() => ssim()(tf.zeros([1, 8, 8, 3]), tf.zeros([1, 8, 8, 3]))).toThrow(/at least 11 pixels/)
})
