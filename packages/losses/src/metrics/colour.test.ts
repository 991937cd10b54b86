import { prepareBackend } from '@fx/backend'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { randomImages } from '../../test/helpers.js'
import { testBackends } from '../../test/suite.js'
import { colourError, deltaE2000, type Lab, labOfSrgb } from '../metrics.js'

// Sharma, Wu, Dalal 2005, table 1: L, a, b of both colours, and the difference.
const published: [number, number, number, number, number, number, number][] = [
  [50, 2.6772, -79.7751, 50, 0, -82.7485, 2.0425],
  [50, 3.1571, -77.2803, 50, 0, -82.7485, 2.8615],
  [50, 2.8361, -74.02, 50, 0, -82.7485, 3.4412],
  [50, -1.3802, -84.2814, 50, 0, -82.7485, 1],
  [50, -1.1848, -84.8006, 50, 0, -82.7485, 1],
  [50, -0.9009, -85.5211, 50, 0, -82.7485, 1],
  [50, 0, 0, 50, -1, 2, 2.3669],
  [50, -1, 2, 50, 0, 0, 2.3669],
  [50, 2.49, -0.001, 50, -2.49, 0.0009, 7.1792],
  [50, 2.49, -0.001, 50, -2.49, 0.001, 7.1792],
  [50, 2.49, -0.001, 50, -2.49, 0.0011, 7.2195],
  [50, 2.49, -0.001, 50, -2.49, 0.0012, 7.2195],
  [50, -0.001, 2.49, 50, 0.0009, -2.49, 4.8045],
  [50, -0.001, 2.49, 50, 0.001, -2.49, 4.8045],
  [50, -0.001, 2.49, 50, 0.0011, -2.49, 4.7461],
  [50, 2.5, 0, 50, 0, -2.5, 4.3065],
  [50, 2.5, 0, 73, 25, -18, 27.1492],
  [50, 2.5, 0, 61, -5, 29, 22.8977],
  [50, 2.5, 0, 56, -27, -3, 31.903],
  [50, 2.5, 0, 58, 24, 15, 19.4535],
  [50, 2.5, 0, 50, 3.1736, 0.5854, 1],
  [50, 2.5, 0, 50, 3.2972, 0, 1],
  [50, 2.5, 0, 50, 1.8634, 0.5757, 1],
  [50, 2.5, 0, 50, 3.2592, 0.335, 1],
  [60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644],
  [63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.263],
  [61.2901, 3.7196, -5.3901, 61.4292, 2.248, -4.962, 1.8731],
  [35.0831, -44.1164, 3.7933, 35.0232, -40.0716, 1.5901, 1.8645],
  [22.7233, 20.0904, -46.694, 23.0331, 14.973, -42.5619, 2.0373],
  [36.4612, 47.858, 18.3852, 36.2715, 50.5065, 21.2231, 1.4146],
  [90.8027, -2.0831, 1.441, 91.1528, -1.6435, 0.0447, 1.4441],
  [90.9257, -0.5406, -0.9208, 88.6381, -0.8985, -0.7239, 1.5381],
  [6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286, 0.6377],
  [2.0776, 0.0795, -1.135, 0.9033, -0.0636, -0.5514, 0.9082],
]

test.each(published)('CIEDE2000 of (%d, %d, %d) and (%d, %d, %d) is %d', (l1, a1, b1, l2, a2, b2, difference) => {
  expect(Math.abs(deltaE2000([l1, a1, b1], [l2, a2, b2]) - difference)).toBeLessThan(1e-4)
  expect(Math.abs(deltaE2000([l2, a2, b2], [l1, a1, b1]) - difference)).toBeLessThan(1e-4)
})

test('sRGB to CIELAB: known colours', () => {
  const close = (actual: Lab, expected: Lab) => {
    for (const [i, value] of expected.entries()) expect(actual[i]).toBeCloseTo(value, 1)
  }
  close(labOfSrgb(1, 0, 0), [53.24, 80.09, 67.2])
  close(labOfSrgb(0, 1, 0), [87.73, -86.18, 83.18])
  close(labOfSrgb(0, 0, 1), [32.3, 79.19, -107.86])
  close(labOfSrgb(0.5, 0.5, 0.5), [53.39, 0, 0])
  expect(labOfSrgb(0, 0, 0).map(value => value + 0)).toEqual([0, 0, 0])
  expect(labOfSrgb(1, 1, 1)).toEqual([100, 0, 0])
  expect(labOfSrgb(1.0005, 1, 1)).toEqual([100, 0, 0])
})

describe.each(testBackends)('on %s', backend => {
  beforeAll(() => prepareBackend({ backend }))
  const image = (...pixels: [number, number, number][]) => tf.tensor4d(pixels.flat(), [1, 1, pixels.length, 3])

  test('the colour error is the mean over pixels, of the mask where there is one', async () => {
    const output = image([1, 0, 0], [0.2, 0.4, 0.6])
    const target = image([0.9, 0.1, 0], [0.2, 0.4, 0.5])
    const one = deltaE2000(labOfSrgb(1, 0, 0), labOfSrgb(0.9, 0.1, 0))
    const other = deltaE2000(labOfSrgb(0.2, 0.4, 0.6), labOfSrgb(0.2, 0.4, 0.5))
    const value = async (mask?: tf.Tensor4D) => {
      const metric = colourError({ replicates: 0 })
      await metric.add({ output, target, mask })
      return metric.result()
    }
    expect((await value()).value).toBeCloseTo((one + other) / 2, 4)
    expect((await value(tf.tensor4d([0, 2], [1, 1, 2, 1]))).value).toBeCloseTo(other, 4)
    await expect(value(tf.zeros([1, 1, 2, 1]))).rejects.toThrow(/0 had anything to measure/)
  })

  test('equal, black and white images are finite; black and white are 100 apart', async () => {
    const [black, white] = [image([0, 0, 0], [0, 0, 0]), image([1, 1, 1], [1, 1, 1])]
    const metric = colourError({ replicates: 10 })
    await metric.add({ output: black, target: black })
    await metric.add({ output: white, target: white })
    expect(metric.result().value).toBe(0)
    const opposite = colourError()
    await opposite.add({ output: black, target: white })
    expect(opposite.result().value).toBeCloseTo(100, 3)
  })

  test('grey images are refused, and nothing is kept', async () => {
    const [output, grey] = [randomImages([2, 5, 4, 3], 'o'), randomImages([2, 5, 4, 1], 'g')]
    const before = tf.memory().numTensors
    await colourError().add({ output, target: output })
    await expect(colourError().add({ output: grey, target: grey })).rejects.toThrow(
      expect.objectContaining({ code: 'shape-mismatch', message: expect.stringMatching(/3 channels.* got 1/) }),
    )
    expect(tf.memory().numTensors).toBe(before)
  })
})
