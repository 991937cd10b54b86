import { prepareBackend } from '@fx/backend'
import { seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { nhwc, randomImages, readFixture } from '../../test/helpers.js'
import { testBackends } from '../../test/suite.js'
import { structuralSimilarity } from '../index.js'
import { perImage, psnr, ssim } from '../metrics.js'

const quick = { replicates: 50 }

describe.each(testBackends)('on %s', backend => {
  beforeAll(() => prepareBackend({ backend }))

  test('PSNR equals the reference, per image and over all pixels', async () => {
    const fixture = readFixture('pixel_metrics.safetensors')
    const [output, target] = [nhwc(fixture.a!), nhwc(fixture.b!)]
    const metric = psnr(quick)
    await metric.add({ output, target, slice: ['0', '1', '2'] })
    const expected = fixture.psnr_per_image_max1!.data
    for (const { slice, value, count, interval } of metric.slices().rows) {
      expect(Math.abs(value - expected[Number(slice)]!)).toBeLessThan(1e-4 + 1e-5 * value)
      expect([count, interval]).toEqual([1, null])
    }
    expect(metric.result().value).toBeCloseTo((expected[0]! + expected[1]! + expected[2]!) / 3, 4)
    const pooled = psnr({ over: 'pixels', ...quick })
    await pooled.add({ output, target })
    expect(pooled.result().value).toBeCloseTo(fixture.psnr_batch_max1!.data[0]!, 3)
  })

  test('SSIM equals the reference', async () => {
    const fixture = readFixture('ssim.safetensors')
    const [output, target] = [nhwc(fixture['s.x_u8']!, 1 / 255), nhwc(fixture['s.y_u8']!, 1 / 255)]
    const values = async (metric = ssim(quick)) => {
      await metric.add({ output, target, slice: ['0', '1'] })
      return Object.fromEntries(metric.slices().rows.map(({ slice, value }) => [slice, value]))
    }
    const close = (actual: Record<string, number>, name: string) =>
      fixture[name]!.data.forEach((value, image) => {
        expect(Math.abs(actual[image]! - value)).toBeLessThan(2e-5)
      })
    close(await values(), 's.ssim')
    close(await values(ssim({ windowSize: 7, sigma: 1, ...quick })), 's.ssim_win7_sigma1')
  })

  test('a mask leaves only its pixels to count, and images with an empty mask out', async () => {
    const target = randomImages([3, 16, 16, 3], 'target')
    const left = tf.tidy(() => {
      const half = tf.concat([tf.ones([1, 16, 8, 1]), tf.zeros([1, 16, 8, 1])], 2)
      return tf.concat([half, half, tf.zeros([1, 16, 16, 1])]) as tf.Tensor4D
    })
    // Wrong by 0.1 on the left, by 0.04 on the right.
    const output = tf.tidy(() => tf.clipByValue(tf.add(target, tf.add(0.04, tf.mul(left, 0.06))), 0, 1)) as tf.Tensor4D
    const safe = tf.tidy(() => tf.mul(tf.add(target, -0.05), 0.8)) as tf.Tensor4D
    const shifted = tf.tidy(() => tf.add(safe, tf.add(0.04, tf.mul(left, 0.06)))) as tf.Tensor4D
    const metric = psnr(quick)
    await metric.add({ output: shifted, target: safe, mask: left })
    expect(metric.result().count).toBe(2)
    expect(metric.result().value).toBeCloseTo(20, 3)
    const scaled = psnr(quick)
    await scaled.add({ output: shifted, target: safe, mask: tf.mul<tf.Tensor4D>(left, 7) })
    expect(scaled.result().value).toBeCloseTo(20, 3)

    const whole = ssim({ windowSize: 5, ...quick })
    await whole.add({ output, target, mask: tf.ones([3, 16, 16, 1]) })
    const expected = structuralSimilarity(output, target, { windowSize: 5 }).dataSync()
    expect(whole.result().value).toBeCloseTo((expected[0]! + expected[1]! + expected[2]!) / 3, 5)
    const masked = ssim({ windowSize: 5, ...quick })
    await masked.add({ output, target, mask: left })
    expect(masked.result().count).toBe(2)
    expect(masked.result().value).toBeLessThan(whole.result().value)
  })

  test('equal, black, white and single-pixel images give finite figures', async () => {
    for (const level of [0, 1, 0.4]) {
      const image = tf.fill([2, 8, 8, 3], level) as tf.Tensor4D
      const [noise, structure] = [psnr(quick), ssim({ windowSize: 3, ...quick })]
      await noise.add({ output: image, target: image })
      await structure.add({ output: image, target: image })
      expect(noise.result()).toEqual({ value: 100, count: 2, interval: { low: 100, high: 100, level: 0.95 } })
      expect(structure.result().value).toBeCloseTo(1, 5)
    }
    const single = psnr(quick)
    await single.add({ output: tf.zeros([1, 1, 1, 1]), target: tf.ones([1, 1, 1, 1]) })
    expect(single.result()).toEqual({ value: expect.closeTo(0, 5), count: 1, interval: null })
  })

  test('any figure of an image becomes a metric', async () => {
    const metric = perImage('brightness', ({ output }) => tf.mean(output, [1, 2, 3]), { ideal: 1, needs: [], ...quick })
    await metric.add({ output: tf.tidy(() => tf.stack([tf.zeros([4, 4, 3]), tf.ones([4, 4, 3])]) as tf.Tensor4D) })
    expect(metric.result()).toMatchObject({ value: 0.5, count: 2 })
    expect([metric.name, metric.ideal]).toEqual(['brightness', 1])
  })

  test('no metric keeps a tensor, be the batch good or refused', async () => {
    const output = randomImages([2, 8, 8, 3], 'o')
    const target = randomImages([2, 8, 8, 3], 't')
    const mask = randomImages([2, 8, 8, 1], 'm')
    const bad = tf.fill([2, 8, 8, 3], 2) as tf.Tensor4D
    const holed = tf.tidy(() => tf.where(tf.greater(output, 0.9), Number.NaN, output)) as tf.Tensor4D
    const before = tf.memory().numTensors
    const metrics = [psnr(quick), ssim({ windowSize: 3, ...quick })]
    for (const metric of [...metrics, perImage('m', ({ output }) => tf.mean(output, [1, 2, 3]), { ideal: 0 })]) {
      await metric.add({ output, target, mask })
      await metric.add({ output, target })
      await expect(metric.add({ output: bad, target })).rejects.toThrow(/in \[0, 1\]/)
      await expect(metric.add({ output: holed, target })).rejects.toThrow(
        expect.objectContaining({ code: 'not-finite', message: expect.stringMatching(/the output must be finite/) }),
      )
      metric.result()
    }
    await expect(perImage('scalar', () => tf.zeros([1]), { ideal: 0 }).add({ output, target })).rejects.toThrow(
      /scalar: 2 numbers were expected, got the shape \[1\]/,
    )
    expect(tf.memory().numTensors).toBe(before)
  })
})

test('options out of range are named', () => {
  const invalid = (pattern: RegExp) =>
    expect.objectContaining({ code: 'invalid-argument', message: expect.stringMatching(pattern) })
  expect(() => psnr({ over: 'batches' as 'images' })).toThrow(invalid(/psnr: over is "batches".*'images' or 'pixels'/))
  expect(() => psnr({ level: 95 })).toThrow(invalid(/psnr: level is 95/))
  expect(() => ssim({ replicates: 0.5 })).toThrow(invalid(/ssim: replicates is 0.5/))
  expect(() => ssim({ windowSize: 4 })).toThrow(invalid(/odd positive integer, got 4/))
  expect(() => perImage('', () => tf.zeros([1]), { ideal: 0 })).toThrow(invalid(/needs a name/))
  expect(() => perImage('x', () => tf.zeros([1]), { ideal: Number.NaN })).toThrow(invalid(/ideal of 'x'/))
  expect(() => psnr({ seed: Number.NaN })).toThrow(invalid(/seed is NaN/))
})

test('the bootstrap holds the true mean about as often as it says', async () => {
  await prepareBackend({ backend: 'cpu' })
  // A skewed distribution, the square of a uniform number: its mean is 1/3.
  const random = seededRandom('coverage')
  let held = 0
  const experiments = 300
  for (let experiment = 0; experiment < experiments; experiment++) {
    const values = Array.from({ length: 60 }, () => random.uniform() ** 2)
    const metric = perImage('square', () => tf.tensor1d(values), {
      ideal: 0,
      needs: [],
      level: 0.9,
      replicates: 200,
      seed: experiment,
    })
    await metric.add({ output: tf.zeros([60, 1, 1, 1]) })
    const { low, high } = metric.result().interval!
    if (low <= 1 / 3 && 1 / 3 <= high) held++
  }
  // Three standard errors of the share are 5 %; the percentile method itself is a little narrow.
  expect(held / experiments).toBeGreaterThan(0.84)
  expect(held / experiments).toBeLessThan(0.95)
})
