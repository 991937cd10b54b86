import { prepareBackend } from '@fx/backend'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { randomImages } from '../../test/helpers.js'
import { flicker } from '../metrics.js'

describe.each(['cpu', 'wasm'] as const)('on %s', backend => {
  beforeAll(() => prepareBackend({ backend }))
  const row = (...values: number[]): tf.Tensor4D => tf.tensor4d(values, [1, 1, values.length, 1])

  test('flicker is the change of the output where the input stayed', async () => {
    const metric = flicker({ replicates: 50 })
    const input = row(0.5, 0.5, 0.2)
    // The last pixel of the input changes by 0.2, and so counts exp(-2).
    await metric.add({
      output: row(0.3, 0.4, 0.9),
      input,
      previous: { output: row(0.3, 0.5, 0.1), input: row(0.5, 0.5, 0.4) },
    })
    const weight = Math.exp(-2)
    expect(metric.result().value).toBeCloseTo((0.1 + 0.8 * weight) / (2 + weight), 5)
    // After a cut hardly a pixel can be compared, so the frame hardly counts.
    await metric.add({
      output: row(0, 0, 0),
      input: row(0, 0, 0),
      previous: { output: row(1, 1, 1), input: row(1, 1, 1) },
    })
    expect(metric.result().value).toBeCloseTo((0.1 + 0.8 * weight) / (2 + weight), 5)
    expect(metric.result().count).toBe(2)
  })

  test('a still output does not flicker, noise on a still scene does', async () => {
    const still = tf.tile(randomImages([1, 8, 8, 3], 'scene'), [4, 1, 1, 1]) as tf.Tensor4D
    const noisy = tf.tidy(() =>
      tf.clipByValue(tf.add(still, randomImages([4, 8, 8, 3], 'noise', -0.05, 0.05)), 0, 1),
    ) as tf.Tensor4D
    const of = async (output: tf.Tensor4D, mask?: tf.Tensor4D) => {
      const metric = flicker({ replicates: 0 })
      const frames = (images: tf.Tensor4D, from: number) => tf.slice(images, [from, 0, 0, 0], [3, -1, -1, -1])
      await metric.add({
        output: frames(output, 1),
        input: frames(still, 1),
        mask,
        previous: { output: frames(output, 0), input: frames(still, 0) },
      })
      return metric.result().value
    }
    expect(await of(still)).toBe(0)
    // Two uniform numbers in [-a, a] are 2a / 3 apart on average.
    expect(await of(noisy)).toBeCloseTo(0.1 / 3, 2)
    await expect(of(noisy, tf.zeros([3, 8, 8, 1]))).rejects.toThrow(/flicker: .* 0 had anything to measure/)
  })

  test('frames that do not belong together are refused, and no tensor is kept', async () => {
    const image = randomImages([2, 5, 4, 3], 'i')
    const mask = randomImages([2, 5, 4, 1], 'm')
    const small = tf.zeros([2, 4, 4, 3]) as tf.Tensor4D
    const before = tf.memory().numTensors
    const previous = { output: image, input: image }
    await flicker().add({ output: image, input: image, mask, previous })
    await expect(flicker().add({ output: image, input: image })).rejects.toThrow(/flicker: the batch lacks previous/)
    await expect(
      flicker().add({ output: image, input: image, previous: { output: image, input: small } }),
    ).rejects.toThrow(/the previous input \[2, 4, 4, 3\] must have the shape of the output/)
    expect(tf.memory().numTensors).toBe(before)
  })
})
