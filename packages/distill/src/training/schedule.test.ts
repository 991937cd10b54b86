import { expect, test } from 'vitest'
import { learningRateAt } from './schedule.js'

const options = { steps: 100, learningRate: 0.1, schedule: 'cosine', warmupSteps: 9 } as const

test('the rate rises linearly, peaks and falls to a hundredth', () => {
  expect(learningRateAt(0, options)).toBeCloseTo(0.01)
  expect(learningRateAt(8, options)).toBeCloseTo(0.09)
  expect(learningRateAt(9, options)).toBeCloseTo(0.1)
  expect(learningRateAt(54.5, options)).toBeCloseTo(0.1 * (0.01 + 0.99 * 0.5), 3)
  expect(learningRateAt(100, options)).toBeCloseTo(0.001)
})

test('a constant rate stays, and no warm-up is needed', () => {
  expect(learningRateAt(70, { ...options, schedule: 'constant' })).toBe(0.1)
  expect(learningRateAt(0, { ...options, warmupSteps: 0 })).toBe(0.1)
})
