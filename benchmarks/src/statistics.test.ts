import { expect, test } from 'vitest'
import { medianRatio, quantile, summarise } from './statistics.js'

test('quantiles interpolate', () => {
  expect(quantile([3, 1, 2], 0.5)).toBe(2)
  expect(quantile([1, 2], 0.5)).toBe(1.5)
  expect(quantile([10, 20, 30, 40, 50], 0.95)).toBeCloseTo(48)
  expect(quantile([], 0.5)).toBeNaN()
})

test('runs between slow calibrations are dropped', () => {
  const quiet = { calibrationBefore: 1, calibrationAfter: 1.1 }
  const summary = summarise([
    { ms: 10, ...quiet },
    { ms: 12, ...quiet },
    { ms: 30, calibrationBefore: 1, calibrationAfter: 2.4 },
  ])
  expect(summary).toMatchObject({ kept: 2, runs: 3, p50: 11, min: 10, noisy: false })
})

test('a noisy machine is admitted', () => {
  const samples = [1, 2, 3, 4].map(i => ({ ms: i, calibrationBefore: 1, calibrationAfter: i }))
  expect(summarise(samples)).toMatchObject({ kept: 1, noisy: true })
})

test('ratios are taken round by round', () => {
  const samples = (...times: number[]) => times.map(ms => ({ ms, calibrationBefore: 1, calibrationAfter: 1 }))
  // The third round fell into a slow spell, which both tasks met.
  expect(medianRatio(samples(12, 13, 39), samples(10, 10, 30))).toBeCloseTo(1.3)
})
