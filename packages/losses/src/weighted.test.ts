import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { expect, test } from 'vitest'
import '../test/helpers.js'
import { adaptiveRobust, charbonnier, l1, saveVariables, warmUp, weighted } from './index.js'

const prediction = tf.tensor4d([0, 0.5, 1, 0.25], [1, 2, 2, 1])
const target = tf.tensor4d([0.5, 0.5, 0, 0.5], [1, 2, 2, 1])

test('the total is the weighted sum of the terms, which are logged unweighted', () => {
  const loss = weighted([
    { name: 'l1', loss: l1(), weight: 2 },
    { name: 'smooth', loss: charbonnier(), weight: 0.5, schedule: warmUp(10) },
  ])
  expect(loss.names).toEqual(['l1', 'smooth'])
  const { total, terms } = loss.evaluate(prediction, target, { step: 5 })
  const read = (scalar: tf.Scalar) => scalar.dataSync()[0]!
  expect(read(terms.l1!)).toBeCloseTo(1.75 / 4, 6)
  expect(read(total)).toBeCloseTo(2 * read(terms.l1!) + 0.25 * read(terms.smooth!), 6)
})

test('a term of no weight at this step is not computed', () => {
  const never = () => {
    throw new Error('computed')
  }
  const loss = weighted([
    { name: 'l1', loss: l1() },
    { name: 'later', loss: never, schedule: warmUp(10, 100) },
  ])
  expect(Object.keys(loss.evaluate(prediction, target, { step: 100 }).terms)).toEqual(['l1'])
  expect(() => loss.evaluate(prediction, target, { step: 101 })).toThrow('computed')
})

test('nothing but the result is left behind, nor anything after an error', () => {
  const loss = weighted([{ name: 'l1', loss: l1() }])
  const wrong = tf.zeros([1, 3, 3, 1]) as tf.Tensor4D
  const before = tf.memory().numTensors
  const { total, terms } = loss.evaluate(prediction, target)
  expect(tf.memory().numTensors).toBe(before + 2)
  tf.dispose([total, terms])
  expect(() => loss.evaluate(prediction, wrong)).toThrow()
  expect(tf.memory().numTensors).toBe(before)
})

test('variables of the terms are found by name, once each, and trained with the sum', async () => {
  const adaptive = adaptiveRobust({ channels: 1 })
  const loss = weighted([
    { name: 'l1', loss: l1() },
    { name: 'adaptive', loss: adaptive },
    { name: 'late', loss: adaptive, schedule: warmUp(10) },
  ])
  const variables = loss.variables()
  expect(Object.keys(variables)).toEqual(['adaptive/alpha', 'adaptive/scale'])
  const optimizer = tf.train.sgd(0.1)
  optimizer.minimize(() => loss.evaluate(prediction, target).total, false, Object.values(variables))
  const saved = await saveVariables(loss)
  expect(saved['adaptive/scale']![0]).toBeLessThan(0)
  expect(await saveVariables(adaptive)).toEqual({ alpha: saved['adaptive/alpha'], scale: saved['adaptive/scale'] })
  const before = tf.memory().numTensors
  loss.dispose()
  expect(tf.memory().numTensors).toBe(before - 2)
  expect(weighted([{ name: 'l1', loss: l1() }]).variables()).toEqual({})
})

test('bad sums are refused', () => {
  expect(() => weighted([])).toThrow(/at least one/)
  expect(() => weighted([{ name: 'a', loss: l1(), weight: -1 }])).toThrow(/weight of 'a'/)
  expect(() =>
    weighted([
      { name: 'a', loss: l1() },
      { name: 'a', loss: l1() },
    ]),
  ).toThrow(/unique/)
  expect(() => warmUp(0)).toThrow(/positive/)
})
