import { prepareBackend } from '@fx/backend'
import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, test } from 'vitest'
import { randomImages } from '../../test/helpers.js'
import { type Metric, perImage, psnr } from '../metrics.js'

await prepareBackend({ backend: 'cpu' })

/** A metric that reads its figure off the image: its first pixel. */
const firstPixel = (ideal: number): Metric =>
  perImage('first pixel', ({ output }) => tf.reshape(tf.slice(output, [0, 0, 0, 0], [-1, 1, 1, 1]), [-1]), {
    ideal,
    needs: [],
    replicates: 100,
  })
const images = (...values: number[]): tf.Tensor4D => tf.tensor4d(values, [values.length, 1, 1, 1])

describe('streaming', () => {
  const output = randomImages([7, 6, 6, 3], 'output')
  const target = randomImages([7, 6, 6, 3], 'target')
  const names = ['a', 'b', 'a', 'a', 'b', 'b', 'a']
  const part = (image: tf.Tensor4D, indices: readonly number[]) => tf.gather(image, [...indices])
  const collected = async (...batches: number[][]): Promise<Metric> => {
    const metric = psnr({ replicates: 100 })
    for (const batch of batches) {
      await metric.add({ output: part(output, batch), target: part(target, batch), slice: batch.map(i => names[i]!) })
    }
    return metric
  }

  test('one by one is the same as in batches', async () => {
    const whole = await collected([0, 1, 2, 3, 4, 5, 6])
    for (const other of [
      await collected([0], [1], [2], [3], [4], [5], [6]),
      await collected([0, 1, 2], [3, 4, 5, 6]),
    ]) {
      expect(other.result()).toEqual(whole.result())
      expect(other.slices()).toEqual(whole.slices())
    }
  })

  test('any order gives the same value, and nearly the same interval', async () => {
    const whole = (await collected([0, 1, 2, 3, 4, 5, 6])).result()
    const turned = (await collected([6, 2], [4, 0, 5], [3, 1])).result()
    expect(turned.value).toBeCloseTo(whole.value, 10)
    expect(Math.abs(turned.interval!.low - whole.interval!.low)).toBeLessThan(
      0.2 * (whole.value - whole.interval!.low) + 0.02,
    )
  })

  test('a result may be asked for between batches, and changes nothing', async () => {
    const metric = psnr({ replicates: 100 })
    await metric.add({ output, target })
    const first = metric.result()
    expect(metric.result()).toEqual(first)
    await metric.add({ output, target })
    expect(metric.result().count).toBe(14)
    expect(metric.result().value).toBeCloseTo(first.value, 10)
  })
})

describe('slices', () => {
  test.each([
    [Number.POSITIVE_INFINITY, ['low', 'middle', 'high'], 0.7],
    [Number.NEGATIVE_INFINITY, ['high', 'middle', 'low'], 0.7],
    [0.5, ['high', 'low', 'middle'], 0.4],
  ])('with the ideal %d the worst comes first', async (ideal, order, gap) => {
    const metric = firstPixel(ideal)
    await metric.add({ output: images(0.2, 0.5, 0.9), slice: ['low', 'middle', 'high'] })
    await metric.add({ output: images(0.2), slice: 'low' })
    await metric.add({ output: images(0.6) })
    const table = metric.slices()
    expect(table.rows.map(row => row.slice)).toEqual(order)
    expect(table).toMatchObject({ worst: order[0], gap: expect.closeTo(gap, 6), tooFew: [] })
    expect(table.rows.find(row => row.slice === 'low')!.count).toBe(2)
    expect(metric.result()).toMatchObject({ count: 5, value: expect.closeTo(2.4 / 5, 6) })
  })

  test('an interval of one slice does not depend on the others', async () => {
    const [alone, among] = [firstPixel(0), firstPixel(0)]
    await alone.add({ output: images(0.1, 0.4, 0.8), slice: 'a' })
    await among.add({ output: images(0.1, 0.3, 0.4, 0.9, 0.8), slice: ['a', 'b', 'a', 'b', 'a'] })
    expect(among.slices().rows.find(row => row.slice === 'a')).toEqual(alone.slices().rows[0])
  })
})

describe('refusals', () => {
  const image = tf.fill([2, 4, 4, 3], 0.5) as tf.Tensor4D
  const refusal = (code: string, pattern: RegExp) =>
    expect.objectContaining({ code, message: expect.stringMatching(pattern) })

  test.each([
    ['a missing target', { output: image }, 'invalid-argument', /psnr: the batch lacks target/],
    [
      'no batch of images',
      { output: tf.zeros([4, 4, 3]) as tf.Tensor as tf.Tensor4D, target: image },
      'shape-mismatch',
      /must be \[N, H, W, C\], got \[4, 4, 3\]/,
    ],
    [
      'an empty batch',
      { output: tf.zeros([0, 4, 4, 3]) as tf.Tensor4D, target: image },
      'shape-mismatch',
      /got \[0, 4, 4, 3\]/,
    ],
    [
      'another shape',
      { output: image, target: tf.zeros([2, 4, 5, 3]) as tf.Tensor4D },
      'shape-mismatch',
      /the target \[2, 4, 5, 3\] must have the shape of the output/,
    ],
    [
      'a mask of colours',
      { output: image, target: image, mask: image },
      'shape-mismatch',
      /the mask must be \[2, 4, 4, 1\]/,
    ],
    [
      'a negative mask',
      { output: image, target: image, mask: tf.fill([2, 4, 4, 1], -1) as tf.Tensor4D },
      'invalid-argument',
      /not negative; its values go from -1 to -1/,
    ],
    [
      'another range',
      { output: tf.mul(image, 255) as tf.Tensor4D, target: image },
      'invalid-argument',
      /the output must be in \[0, 1\].* from 127.5 to 127.5/,
    ],
    [
      'NaN',
      { output: tf.fill([2, 4, 4, 3], Number.NaN) as tf.Tensor4D, target: image },
      'not-finite',
      /the output must be finite numbers/,
    ],
    [
      'too few slice names',
      { output: image, target: image, slice: ['a'] },
      'invalid-argument',
      /each of the 2 images, got 'a'/,
    ],
    ['an empty slice name', { output: image, target: image, slice: '' }, 'invalid-argument', /slice must be a name/],
  ])('%s', async (_, batch, code, pattern) => {
    const metric = psnr({ replicates: 10 })
    await metric.add({ output: image, target: image, slice: 'kept' })
    await expect(metric.add(batch)).rejects.toThrow(refusal(code, pattern))
    expect(metric.result().count).toBe(2)
    expect(metric.slices().rows).toHaveLength(1)
  })

  test('a figure that is not finite, of no image of its batch', async () => {
    const metric = perImage('odd', () => tf.tensor1d([1, Number.NaN]), { ideal: 0, needs: [] })
    await expect(metric.add({ output: image })).rejects.toThrow(
      refusal('not-finite', /odd: the figure of image 1 of 2/),
    )
    expect(() => metric.result()).toThrow(refusal('invalid-argument', /at least 1 image is needed, and 0 had/))
  })

  test('no result of nothing', () => {
    expect(() => psnr().result()).toThrow(refusal('invalid-argument', /psnr: at least 1 image is needed/))
    expect(() => psnr().slices()).toThrow(refusal('invalid-argument', /no slice has the 1 image it needs/))
  })
})
