import { prepareBackend } from '@fx/backend'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { nhwc, randomImages, readFixture } from '../../test/helpers.js'
import { testBackends } from '../../test/suite.js'
import { flicker, warpingError } from '../metrics.js'

describe.each(testBackends)('on %s', backend => {
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

  test("the warping error equals the reference's warped frames and weights where the flow stays within the frame", async () => {
    const fixture = readFixture('temporal_warp.safetensors')
    const [n, channels, height, width] = fixture.output_t!.shape as [number, number, number, number]
    const share = (at: number, side: number) => Math.max(0, 1 - Math.max(0, -at) - Math.max(0, at - (side - 1)))
    const plane = height * width
    let [sum, total] = [0, 0]
    for (let image = 0; image < n; image++) {
      for (let p = 0; p < plane; p++) {
        const flowAt = (axis: number) => fixture.flow!.data[(image * 2 + axis) * plane + p]!
        const seen = share((p % width) + flowAt(0), width) * share(Math.floor(p / width) + flowAt(1), height)
        const weight = seen * fixture['border.mask']!.data[image * plane + p]!
        for (let c = 0; c < channels; c++) {
          const at = (image * channels + c) * plane + p
          const change = fixture.output_t!.data[at]! - fixture['border.warped_prev_output']!.data[at]!
          sum += (weight * Math.abs(change)) / channels
        }
        total += weight
      }
    }
    const metric = warpingError({ replicates: 0 })
    await metric.add({
      output: nhwc(fixture.output_t!),
      input: nhwc(fixture.input_t!),
      previous: { output: nhwc(fixture.output_prev!), input: nhwc(fixture.input_prev!), flow: nhwc(fixture.flow!) },
    })
    expect(total).toBeGreaterThan(10)
    expect(metric.result().value).toBeCloseTo(sum / total, 5)
  })

  test('an effect that moves with the scene has no warping error, one that stays behind has', async () => {
    // The scene moves one pixel to the right: each pixel was one to the left of where it is.
    const [input, before] = [row(0.1, 0.2, 0.4, 0.8), row(0.2, 0.4, 0.8, 0.9)]
    const flow = tf.tidy(() => tf.tile(tf.tensor4d([-1, 0], [1, 1, 1, 2]), [1, 1, 4, 1]) as tf.Tensor4D)
    const of = async (output: tf.Tensor4D, previousOutput: tf.Tensor4D, mask?: tf.Tensor4D) => {
      const metric = warpingError({ replicates: 0 })
      await metric.add({ output, input, mask, previous: { output: previousOutput, input: before, flow } })
      return metric.result().value
    }
    // The new pixel on the left comes from outside the frame, whatever it is.
    expect(await of(row(0.9, 0.3, 0.5, 0.9), row(0.3, 0.5, 0.9, 1))).toBeCloseTo(0, 6)
    const stuck = row(0.3, 0.6, 0.3, 0.6)
    expect(await of(stuck, stuck)).toBeCloseTo(0.3, 5)
    expect(await of(row(0, 0.5, 0, 0), row(0.4, 0, 0, 0), row(0, 1, 0, 0))).toBeCloseTo(0.1, 5)
  })

  test('flows that are missing, misshapen or not finite are refused, and no tensor is kept', async () => {
    const image = randomImages([2, 5, 4, 3], 'i')
    const flow = tf.zeros([2, 5, 4, 2]) as tf.Tensor4D
    const flat = tf.zeros([2, 5, 4, 1]) as tf.Tensor4D
    const endless = tf.fill([2, 5, 4, 2], Number.NaN) as tf.Tensor4D
    const before = tf.memory().numTensors
    const add = (each?: tf.Tensor4D) =>
      warpingError().add({ output: image, input: image, previous: { output: image, input: image, flow: each } })
    await add(flow)
    await expect(add()).rejects.toThrow(/warping error: the batch lacks previous.flow/)
    await expect(add(flat)).rejects.toThrow(/the flow must be \[2, 5, 4, 2\], got \[2, 5, 4, 1\]/)
    await expect(add(endless)).rejects.toThrow(expect.objectContaining({ code: 'not-finite' }))
    expect(tf.memory().numTensors).toBe(before)
  })
})
