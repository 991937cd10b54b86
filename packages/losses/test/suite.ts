import { createRequire } from 'node:module'
import { prepareBackend } from '@fx/backend'
import { installTrainingKernels } from '@fx/backend/training'
import * as tf from '@tensorflow/tfjs-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Loss, l1 } from '../src/index.js'
import { randomImages } from './helpers.js'

const tfjsNode = (): readonly 'tfjs-node'[] => {
  try {
    createRequire(import.meta.url).resolve('@tensorflow/tfjs-node')
    return ['tfjs-node']
  } catch {
    return []
  }
}

/** Backends that install everywhere, and tfjs-node where it is installed. */
export const testBackends = ['cpu', 'wasm', ...tfjsNode()] as const

/** Runs tests on each of them, ready for training. */
export const onEachBackend = (tests: () => void): void => {
  describe.each(testBackends)('on %s', backend => {
    let uninstall: () => void
    beforeAll(async () => {
      await prepareBackend({ backend })
      uninstall = await installTrainingKernels()
    })
    afterAll(() => uninstall())
    tests()
  })
}

/** The number in a scalar, which is disposed. */
export const value = (scalar: tf.Tensor): number => {
  const [number] = scalar.dataSync()
  scalar.dispose()
  return number!
}

/** Every element within `atol + rtol * |expected|`. */
export const expectClose = (
  actual: tf.Tensor | ArrayLike<number>,
  expected: ArrayLike<number>,
  { atol, rtol = 0 }: { atol: number; rtol?: number },
): void => {
  const values = actual instanceof tf.Tensor ? actual.dataSync() : actual
  expect(values.length).toBe(expected.length)
  for (let i = 0; i < expected.length; i++) {
    const tolerance = atol + rtol * Math.abs(expected[i]!)
    const near = Math.abs(values[i]! - expected[i]!) <= tolerance
    if (!near) expect.fail(`element ${i} is ${values[i]}, expected ${expected[i]} within ${tolerance}`)
  }
}

/** Compares a gradient by tfjs with central differences, at some elements. */
export const expectGradientMatches = (
  f: (x: tf.Tensor4D) => tf.Scalar,
  at: tf.Tensor4D,
  { step = 2e-3, atol = 1e-3, rtol = 0.02 }: { step?: number; atol?: number; rtol?: number } = {},
): void => {
  const gradient = tf
    .grad(x => f(x as tf.Tensor4D))(at)
    .dataSync()
  const values = at.dataSync()
  const moved = (i: number, by: number): number => {
    const copy = values.slice()
    copy[i]! += by
    return value(f(tf.tensor4d(copy, at.shape)))
  }
  const stride = Math.max(1, Math.floor(values.length / 6))
  for (let i = 0; i < values.length; i += stride) {
    const numeric = (moved(i, step) - moved(i, -step)) / (2 * step)
    const allowed = atol + rtol * Math.abs(numeric)
    expect(Math.abs(numeric - gradient[i]!), `element ${i}: ${gradient[i]}, numeric ${numeric}`).toBeLessThan(allowed)
  }
}

/** What every loss is held to. */
export interface LossCase {
  name: string
  loss: Loss
  /** Side of the images of these tests. Default 8. */
  side?: number
  /** What a descent must bring down to 0. Default the mean absolute error. */
  distance?: Loss
  /** Most that is left of the distance after the descent. Default 0.12. */
  left?: number
  /** Largest absolute value at equal images. Default 0.02; the loss need not be small there with `false`. */
  atEqual?: number | false
  /** Smallest side that the loss takes. Default 1. */
  smallest?: number
  /** Whether weights change the result at all. Default true. */
  weighted?: boolean
}

/** Tests that every loss passes, on every backend. */
export const lossSuite = (cases: readonly LossCase[]): void => {
  onEachBackend(() => {
    describe.each(cases)('$name', ({ loss, side = 8, distance = l1(), left = 0.12, atEqual = 0.02, smallest = 1 }) => {
      const images = (seed: string, low?: number, high?: number, n = 1, channels = 3): tf.Tensor4D =>
        randomImages([n, side, side, channels], seed, low, high)

      test('the gradient agrees with central differences, with and without weights', () => {
        const p = images('p')
        const t = images('t')
        const weights = images('w', 0.1, 4, 1, 1)
        expectGradientMatches(x => loss(x, t), p)
        expectGradientMatches(x => loss(x, t, { weights }), p)
      })

      test('descending it alone moves noise to the optimum', () => {
        const target = images('target', 0.3, 0.7)
        const image = tf.variable(tf.add(target, images('noise', -0.2, 0.2)))
        const measured = () => value(distance(image as tf.Tensor4D, target))
        const before = measured()
        const optimizer = tf.train.adam(0.01)
        for (let step = 0; step < 150; step++) {
          if (step === 110) (optimizer as unknown as { learningRate: number }).learningRate = 0.001
          // A loss's own variables stay as they are.
          optimizer.minimize(() => loss(image as tf.Tensor4D, target), false, [image])
        }
        expect(measured()).toBeLessThan(left * before)
      })

      test('equal, black, white, single-pixel and huge images give no NaN, in value and gradient', () => {
        const check = (p: tf.Tensor4D, t: tf.Tensor4D): number => {
          const { value: v, grad } = tf.valueAndGrad(x => loss(x as tf.Tensor4D, t))(p)
          expect(grad.dataSync().every(Number.isFinite)).toBe(true)
          const result = value(v)
          expect(Number.isFinite(result)).toBe(true)
          return Math.abs(result)
        }
        for (const level of [0, 1, 0.4]) {
          const image = tf.fill([1, side, side, 3], level) as tf.Tensor4D
          const result = check(image, image)
          if (atEqual !== false) expect(result).toBeLessThan(atEqual)
          check(image, images('other'))
          check(images('other'), image)
        }
        check(images('same'), images('same'))
        check(images('big', -1e6, 1e6), images('other'))
        check(randomImages([1, smallest, smallest, 3], 'small'), tf.zeros([1, smallest, smallest, 3]))
      })

      test('weights are relative, and none at all is no NaN', () => {
        const p = images('p', 0.05, 0.95, 2)
        const t = images('t', 0.05, 0.95, 2)
        const w = images('w', 0.5, 2, 2, 1)
        const weighted = value(loss(p, t, { weights: w }))
        const plain = value(loss(p, t))
        expect(value(loss(p, t, { weights: tf.mul<tf.Tensor4D>(w, 7) }))).toBeCloseTo(weighted, 5)
        expect(value(loss(p, t, { weights: tf.onesLike(w) }))).toBeCloseTo(plain, 5)
        expect(Number.isFinite(value(loss(p, t, { weights: tf.zerosLike(w) })))).toBe(true)
      })

      test('it leaves no tensor behind, also when it refuses', () => {
        const p = images('p')
        const t = images('t')
        const wrong = tf.zeros([1, side + 1, side, 3]) as tf.Tensor4D
        loss(p, t).dispose()
        const before = tf.memory().numTensors
        loss(p, t).dispose()
        expect(() => loss(p, wrong)).toThrow(expect.objectContaining({ code: 'shape-mismatch' }))
        expect(tf.memory().numTensors).toBe(before)
      })

      test('it refuses images that do not belong together', () => {
        const p = images('p')
        const mismatch = expect.objectContaining({ code: 'shape-mismatch' })
        expect(() => loss(p, tf.zeros([2, side, side, 3]))).toThrow(mismatch)
        expect(() => loss(p, tf.zeros([side, side, 3]) as unknown as tf.Tensor4D)).toThrow(mismatch)
        expect(() => loss(p, p, { weights: p })).toThrow(/weights must be \[1, \d+, \d+, 1\]/)
        if (smallest > 1) {
          const small = tf.zeros([1, smallest - 1, smallest, 3]) as tf.Tensor4D
          expect(() => loss(small, small)).toThrow(new RegExp(`at least ${smallest} pixels`))
        }
      })
    })
  })
}
