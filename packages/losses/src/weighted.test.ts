import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { expect, test } from 'vitest'
import '../test/helpers.js'
import {
  type AdversarialLoss,
  adaptiveRobust,
  charbonnier,
  isAdversary,
  l1,
  l2,
  saveVariables,
  warmUp,
  weighted,
} from './index.js'

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

/** Pulls the prediction towards a value of its own, which it moves away. */
const runaway = (): AdversarialLoss => {
  let at: tf.Variable | undefined
  const value = () => (at ??= tf.variable(tf.scalar(1), true, undefined, 'float32'))
  return Object.assign((x: tf.Tensor4D) => tf.mean<tf.Scalar>(tf.square(tf.sub(x, value()))), {
    variables: () => ({ at: value() }),
    dispose: () => {
      at?.dispose()
      at = undefined
    },
    judge: (x: tf.Tensor4D, y: tf.Tensor4D) =>
      tf.tidy(() => ({
        total: tf.neg(tf.mean<tf.Scalar>(tf.square(tf.sub(x, value())))),
        scores: { answer: tf.mean<tf.Scalar>(x), target: tf.mean<tf.Scalar>(y) },
      })),
  })
}

test('adversaries have a loss of their own, judged while one of them counts', () => {
  const [one, two] = [runaway(), runaway()]
  expect(isAdversary(one)).toBe(true)
  expect(isAdversary(adaptiveRobust())).toBe(false)
  const plain = weighted([{ name: 'l1', loss: l1() }])
  expect(plain.adversary).toBeUndefined()
  const loss = weighted([
    { name: 'l1', loss: l1() },
    { name: 'one', loss: one, schedule: warmUp(10, 5) },
    { name: 'two', loss: two, schedule: warmUp(10, 100) },
  ])
  const adversary = loss.adversary!
  expect(Object.keys(adversary.variables())).toEqual(['one/at', 'two/at'])
  expect(Object.keys(loss.variables())).toEqual(['one/at', 'two/at'])
  const before = tf.memory().numTensors
  expect([5, 6].map(adversary.judgesAt)).toEqual([false, true])
  const early = adversary.judge(prediction, target, { step: 6 })
  expect(tf.memory().numTensors).toBe(before + 3)
  expect(Object.keys(early.scores)).toEqual(['one/answer', 'one/target'])
  tf.dispose([early.total, early.scores])
  const { total, scores } = adversary.judge(prediction, target, { step: 101 })
  expect(tf.memory().numTensors).toBe(before + 5)
  expect(Object.keys(scores)).toEqual(['one/answer', 'one/target', 'two/answer', 'two/target'])
  expect(scores['one/target']!.dataSync()[0]).toBeCloseTo(0.375, 6)
  const { grads } = tf.variableGrads(
    () => adversary.judge(prediction, target, { step: 101 }).total,
    Object.values(adversary.variables()),
  )
  // -mean((x - 1)^2) by its own value: 2 (mean(x) - 1).
  for (const gradient of Object.values(grads)) expect(gradient.dataSync()[0]).toBeCloseTo(-1.125, 5)
  tf.dispose([total, scores, grads])
  loss.dispose()
})

test('a balanced term has the gradient of the others in size, and its own in direction', () => {
  const gradientOf = (terms: Parameters<typeof weighted>[0]) =>
    tf.grad((x: tf.Tensor) => weighted(terms).evaluate(x as tf.Tensor4D, target).total)(prediction)
  const far = (x: tf.Tensor4D) => tf.mul<tf.Scalar>(tf.mean(tf.squaredDifference(x, 5)), 1000)
  const [plain, own] = [gradientOf([{ name: 'l2', loss: l2() }]), gradientOf([{ name: 'far', loss: far }])]
  const both = gradientOf([
    { name: 'l2', loss: l2() },
    { name: 'far', loss: far, weight: 0.5, balance: true },
    { name: 'near', loss: l2(), weight: 2, balance: true },
  ])
  const norm = (x: tf.Tensor) => tf.norm(x).dataSync()[0]!
  const expected = tf.add(tf.mul(plain, 3), tf.mul(own, (0.5 * norm(plain)) / norm(own)))
  expect(norm(tf.sub(both, expected))).toBeLessThan(1e-6)
  // Without a difference there is nothing to compare with: no gradient at all, and no NaN.
  const still = tf.grad(
    (x: tf.Tensor) =>
      weighted([
        { name: 'l2', loss: l2() },
        { name: 'far', loss: far, balance: true },
      ]).evaluate(x as tf.Tensor4D, target).total,
  )(target)
  expect(norm(still)).toBe(0)
})

test('bad sums are refused', () => {
  expect(() => weighted([])).toThrow(/at least one/)
  expect(() => weighted([{ name: 'a', loss: l1(), balance: true }])).toThrow(/one must be without/)
  expect(() => weighted([{ name: 'a', loss: l1(), weight: -1 }])).toThrow(/weight of 'a'/)
  expect(() =>
    weighted([
      { name: 'a', loss: l1() },
      { name: 'a', loss: l1() },
    ]),
  ).toThrow(/unique/)
  expect(() => warmUp(0)).toThrow(/positive/)
})
