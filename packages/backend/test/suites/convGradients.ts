import * as tf from '@tensorflow/tfjs-core'
import { expect, test } from 'vitest'
import { relativeDifference } from '../compare.js'

type Padding = 'same' | 'valid' | 'explicit'
type Shape4 = [number, number, number, number]

interface Case {
  depthwise: boolean
  kernel: number
  stride: number
  padding: Padding
  size: [number, number]
  inC: number
  /** Output channels, or the multiplier of a depthwise convolution. */
  outC: number
}

const paddingOf = (padding: Padding, kernel: number): 'same' | 'valid' | tf.backend_util.ExplicitPadding =>
  padding === 'explicit'
    ? [
        [0, 0],
        [kernel >> 1, (kernel >> 1) + 1],
        [(kernel >> 1) + 1, kernel >> 1],
        [0, 0],
      ]
    : padding

const gradients = (c: Case): Float32Array[] => {
  const [height, width] = c.size
  const xShape: Shape4 = [2, height, width, c.inC]
  const wShape: Shape4 = [c.kernel, c.kernel, c.inC, c.outC]
  const pad = paddingOf(c.padding, c.kernel)
  const before = tf.memory().numTensors
  const values = tf.tidy(() => {
    const x = tf.randomUniform(xShape, -1, 1, 'float32', 1) as tf.Tensor4D
    const w = tf.randomUniform(wShape, -1, 1, 'float32', 2) as tf.Tensor4D
    const convolve = (a: tf.Tensor4D, b: tf.Tensor4D) =>
      c.depthwise ? tf.depthwiseConv2d(a, b, c.stride, pad) : tf.conv2d(a, b, c.stride, pad)
    const dy = tf.randomUniform(convolve(x, w).shape, -1, 1, 'float32', 3)
    return tf
      .grads((a, b) => convolve(a as tf.Tensor4D, b as tf.Tensor4D))([x, w], dy)
      .map(g => g.dataSync<'float32'>().slice())
  })
  expect(tf.memory().numTensors).toBe(before)
  return values
}

const cases: Case[] = []
for (const depthwise of [false, true]) {
  for (const kernel of [1, 3, 5]) {
    for (const stride of [1, 2]) {
      for (const padding of ['same', 'valid', 'explicit'] as const) {
        for (const size of [
          [8, 8],
          [9, 7],
          [8, 11],
        ] as const) {
          // Channels that fill the lanes, that leave a rest of lanes, and a rest of single values.
          const channels = depthwise
            ? [
                [16, 1],
                [23, 1],
                [3, 2],
              ]
            : [
                [8, 16],
                [7, 11],
                [3, 8],
                [20, 3],
              ]
          for (const [inC, outC] of channels as [number, number][]) {
            cases.push({ depthwise, kernel, stride, padding, size: [...size], inC, outC })
          }
        }
      }
    }
  }
}

/** @param every take one of so many configurations; a number prime to the repetitions above still meets every value. */
export const convGradients = (every: number): void => {
  const chosen = cases.filter((_, i) => i % every === 0)
  test(`agree with cpu to 1e-5 in ${chosen.length} configurations, without a leak`, async () => {
    const worst = { difference: 0, of: '' }
    for (const c of chosen) {
      await tf.setBackend('cpu')
      const expected = gradients(c)
      await tf.setBackend('wasm')
      gradients(c).forEach((values, i) => {
        const difference = relativeDifference(values, expected[i]!)
        if (difference > worst.difference)
          Object.assign(worst, { difference, of: JSON.stringify({ ...c, gradient: i }) })
      })
    }
    expect(worst.difference, worst.of).toBeLessThan(1e-5)
  })
}
