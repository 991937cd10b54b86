import { prepareBackend } from '@fx/backend'
import { installSecondOrderGradients, installTrainingKernels } from '@fx/backend/training'
import { seededRandom } from '@fx/core'
import '@tensorflow/tfjs-layers'
import * as tf from '@tensorflow/tfjs-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type AugmentationTransform,
  adaptAugmentation,
  augmentationTransforms,
  augmentImages,
} from '../../stylegan2-training.js'

const noise = (count: number, side: number, name = 'images'): tf.Tensor4D => {
  const { uniform } = seededRandom(name)
  return tf.tensor4d(
    Float32Array.from({ length: count * side * side * 3 }, () => 2 * uniform() - 1),
    [count, side, side, 3],
  )
}
const all = { policy: augmentationTransforms, p: 1, path: [1] }
const only = (name: AugmentationTransform, p = 1, seed = 1) => ({ policy: [name], p, path: [seed] })

describe.each(['cpu', 'wasm'] as const)('augmentation on %s', backend => {
  let uninstall: (() => void)[]
  beforeAll(async () => {
    await prepareBackend({ backend, threads: 1 })
    uninstall = [await installTrainingKernels(), installSecondOrderGradients()]
  })
  afterAll(() => {
    for (const undo of uninstall.reverse()) undo()
  })

  test('nothing changes at p 0, and chosen images leave the others as they were, to the bit', async () => {
    const images = noise(16, 16)
    const before = tf.memory().numTensors
    const same = augmentImages(images, { ...all, p: 0 })
    expect(await same.data()).toEqual(await images.data())
    for (const name of augmentationTransforms) {
      const half = augmentImages(images, only(name, 0.5))
      const [was, is] = [await images.array(), await half.array()]
      const untouched = was.filter((image, i) => JSON.stringify(image) === JSON.stringify(is[i])).length
      expect(untouched, name).toBeGreaterThanOrEqual(3)
      expect(untouched, name).toBeLessThanOrEqual(13)
      half.dispose()
    }
    same.dispose()
    expect(tf.memory().numTensors).toBe(before)
    images.dispose()
  })

  test('the same path gives the same augmentation, another one another', async () => {
    const images = noise(2, 16)
    const [a, b, c] = [all, all, { ...all, path: [1, 'other'] }].map(draw => augmentImages(images, draw))
    expect(await a!.data()).toEqual(await b!.data())
    expect(await a!.data()).not.toEqual(await c!.data())
    tf.dispose([images, a!, b!, c!])
  })

  test('translation moves whole pixels by at most an eighth and fills with zeros', () =>
    tf.tidy(() => {
      const images = noise(24, 16)
      const moved = augmentImages(images, only('translation')).arraySync()
      const seen = new Set<string>()
      images.arraySync().forEach((image, n) => {
        const fits = (dy: number, dx: number): boolean =>
          moved[n]!.every((row, y) =>
            row.every((pixel, x) => {
              const from = image[y - dy]?.[x - dx] ?? [0, 0, 0]
              return pixel.every((value, c) => value === from[c])
            }),
          )
        const offsets = [-2, -1, 0, 1, 2].flatMap(dy => [-2, -1, 0, 1, 2].map((dx): [number, number] => [dy, dx]))
        const found = offsets.find(([dy, dx]) => fits(dy, dx))
        expect(found, `image ${n}`).toBeDefined()
        seen.add(String(found))
      })
      expect(seen.size).toBeGreaterThan(8)
    }))

  test('cutout zeroes one square of half the side, perhaps over the edge, and nothing else', () =>
    tf.tidy(() => {
      const images = noise(24, 16)
      const cut = augmentImages(images, only('cutout')).arraySync()
      images.arraySync().forEach((image, n) => {
        const gone = image.flatMap((row, y) =>
          row.flatMap((_, x) => (cut[n]![y]![x]!.every(v => v === 0) ? [[y, x]] : [])),
        )
        const [ys, xs] = [gone.map(([y]) => y!), gone.map(([, x]) => x!)]
        const [height, width] = [ys, xs].map(v => Math.max(...v) - Math.min(...v) + 1)
        expect(gone.length).toBe(height! * width!)
        expect(Math.max(height!, width!)).toBeLessThanOrEqual(8)
        expect(gone.length).toBeGreaterThanOrEqual(16)
        for (const [y, row] of image.entries()) {
          for (const [x, pixel] of row.entries()) {
            if (!gone.some(([gy, gx]) => gy === y && gx === x)) expect(cut[n]![y]![x]).toEqual(pixel)
          }
        }
      })
    }))

  test('colour is brightness, saturation and contrast, one of each an image', () =>
    tf.tidy(() => {
      const images = noise(4, 16)
      const changed = augmentImages(images, only('colour'))
      // Each difference between channels of a pixel grows by saturation times contrast.
      const spread = (x: tf.Tensor4D) => tf.sub(x, tf.mean(x, 3, true))
      const factors = tf.div(spread(changed), spread(images)).arraySync() as number[][][][]
      for (const image of factors) {
        const values = image
          .flat(2)
          .filter(value => Number.isFinite(value))
          .sort((a, b) => a - b)
        const middle = values[values.length >> 1]!
        expect(middle).toBeGreaterThanOrEqual(0)
        expect(middle).toBeLessThanOrEqual(3)
        expect(values[values.length >> 3]).toBeCloseTo(middle, 2)
      }
      const shift = tf.sub(tf.mean(changed, [1, 2, 3]), tf.mean(images, [1, 2, 3])).dataSync()
      for (const value of shift) expect(Math.abs(value)).toBeLessThanOrEqual(0.5)
    }))

  const score = (x: tf.Tensor4D): tf.Scalar => tf.sum(tf.mul(tf.square(x), noise(2, 8, 'weights')))

  /** Slope of `f` along `v`, by central differences. */
  const along = (f: (x: tf.Tensor4D) => tf.Tensor, x: tf.Tensor4D, v: tf.Tensor4D, h = 1e-2): number =>
    tf.sub(f(tf.add(x, tf.mul(v, h))), f(tf.sub(x, tf.mul(v, h)))).dataSync()[0]! / (2 * h)

  test.each(augmentationTransforms)('gradients of the first and second order pass through %s', name => {
    tf.tidy(() => {
      const [x, v] = [noise(2, 8), noise(2, 8, 'direction')]
      const judged = (images: tf.Tensor4D) => score(augmentImages(images, only(name)))
      const slope = (images: tf.Tensor4D) => tf.grad(y => judged(y as tf.Tensor4D))(images)
      const first = tf.sum(tf.mul(slope(x), v)).dataSync()[0]!
      expect(Math.abs(first - along(judged, x, v))).toBeLessThan(1e-3 * Math.max(1, Math.abs(first)))
      const penalty = (images: tf.Tensor4D): tf.Scalar => tf.sum(tf.square(slope(images)))
      const second = tf.sum(tf.mul(tf.grad(y => penalty(y as tf.Tensor4D))(x), v)).dataSync()[0]!
      expect(Math.abs(second)).toBeGreaterThan(0.01)
      expect(Math.abs(second - along(penalty, x, v))).toBeLessThan(2e-3 * Math.max(1, Math.abs(second)))
    })
  })
})

test('an unknown transform is named with those that exist', () => {
  const policy = ['blur'] as never
  expect(() => augmentImages(tf.zeros([1, 8, 8, 3]), { policy, p: 1, path: [] })).toThrow(/'blur'.*'colour', 'trans/)
})

test('the controller raises p over the target, lowers it below, and stays within 0 and 0.8', () => {
  const options = { target: 0.6, speed: 0.1, batchSize: 10 }
  const after = (signs: number[], p: number) =>
    signs.reduce((state, sign) => adaptAugmentation(state, sign, options), { p, signs: 0, steps: 0 })
  // p moves on every 4th step, by the images of these steps over speed: 40 / 100.
  expect(after([1, 1, 1], 0)).toEqual({ p: 0, signs: 3, steps: 3 })
  expect(after([1, 1, 1, 1], 0)).toEqual({ p: 0.4, signs: 0, steps: 0 })
  expect(after([1, 1, 0.2, 0.1], 0.5).p).toBeCloseTo(0.1)
  expect(after([0.9, 0.9, 0.9, 0.1], 0.5).p).toBe(0.8)
  expect(after([-1, -1, -1, -1], 0.1).p).toBe(0)
})
