import { expect, test } from 'vitest'
import { createLatency } from './latency.js'

test('percentiles are of the last frames, the count of all', () => {
  const latency = createLatency()
  expect(latency.summary()).toEqual({ frames: 0, lastMs: 0, p50Ms: 0, p95Ms: 0 })
  for (let i = 0; i < 50; i++) latency.add(1000)
  for (let i = 1; i <= 120; i++) latency.add(i)
  expect(latency.summary()).toEqual({ frames: 170, lastMs: 120, p50Ms: 61, p95Ms: 115 })
})
