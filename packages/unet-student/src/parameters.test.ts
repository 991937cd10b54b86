import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { input, model, type SymbolicTensor } from '@tensorflow/tfjs-layers'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { film, parameterInput } from './index.js'

let before = 0
beforeEach(() => {
  before = tf.memory().numTensors
})
afterEach(() => expect(tf.memory().numTensors).toBe(before))

const valuesOf = (tensor: SymbolicTensor, condition: ReturnType<typeof parameterInput>, rows: number[][]): number[] =>
  tf.tidy(() => {
    const network = model({ inputs: condition.input, outputs: tensor })
    const result = [...(network.predict(tf.tensor2d(rows)) as tf.Tensor).dataSync()]
    network.dispose()
    return result
  })

test('every parameter is brought from its range to [0, 1], and is not learned', () => {
  const condition = parameterInput([
    { name: 'hue', min: -180, max: 180 },
    { name: 'fixed', min: 3, max: 3 },
  ])
  expect(condition.strength).toBeUndefined()
  const network = model({ inputs: condition.input, outputs: condition.values })
  expect(network.trainableWeights).toEqual([])
  expect(
    valuesOf(condition.values, condition, [
      [-180, 3],
      [90, 3],
    ]),
  ).toEqual([0, 0, 0.75, 0])
})

test('a strength is a parameter of that name whose range begins at 0', () => {
  const hue = { name: 'hue', min: 0, max: 360 }
  const condition = parameterInput([hue, { name: 'strength', min: 0, max: 2 }])
  expect(condition.strength!.shape).toEqual([null, 1, 1, 1])
  expect(
    valuesOf(condition.strength!, condition, [
      [300, 0],
      [5, 0.5],
      [0, 2],
    ]),
  ).toEqual([0, 0.25, 1])
  for (const other of [{ name: 'strength', min: -1, max: 1 }, hue]) {
    const without = parameterInput([other])
    expect(without.strength).toBeUndefined()
    model({ inputs: without.input, outputs: without.values }).dispose()
  }
})

test('film begins as the identity, then scales and shifts each channel by what the condition says', () => {
  tf.tidy(() => {
    const x = input({ shape: [1, 2, 2] })
    const condition = input({ shape: [1] })
    const network = model({ inputs: [x, condition], outputs: film(x, condition, { name: 'film' }) })
    const run = () => [
      ...(network.predict([tf.tensor4d([1, 2, 3, 4], [1, 1, 2, 2]), tf.tensor2d([[0.5]])]) as tf.Tensor).dataSync(),
    ]
    expect(run()).toEqual([1, 2, 3, 4])
    network.getLayer('film_scale').setWeights([tf.tensor2d([[2, 0]]), tf.tensor1d([1, 1])])
    network.getLayer('film_shift').setWeights([tf.tensor2d([[0, 20]]), tf.tensor1d([0, -1])])
    expect(run()).toEqual([2, 11, 6, 13])
    network.dispose()
  })
})
