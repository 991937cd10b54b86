import { expect, test } from 'vitest'
import { seededRandom } from './random.js'

test('the same path gives the same stream, another path another', () => {
  const draw = (...path: (string | number)[]) => Array.from({ length: 5 }, seededRandom(...path).uniform)
  expect(draw(7, 'augment', 3)).toEqual(draw(7, 'augment', 3))
  expect(draw(7, 'augment', 3)).not.toEqual(draw(7, 'augment', 4))
  expect(draw(7, '1', 2)).not.toEqual(draw(7, 1, 2))
})

test('uniform, integer and normal have the moments they should', () => {
  const random = seededRandom('moments')
  const n = 20_000
  const mean = (values: number[]) => values.reduce((a, b) => a + b) / values.length
  const uniform = Array.from({ length: n }, random.uniform)
  expect(Math.abs(mean(uniform) - 0.5)).toBeLessThan(0.01)
  expect(uniform.every(v => v >= 0 && v < 1)).toBe(true)
  const normal = Array.from({ length: n }, random.normal)
  expect(Math.abs(mean(normal))).toBeLessThan(0.03)
  expect(Math.abs(mean(normal.map(v => v * v)) - 1)).toBeLessThan(0.05)
  const counts = [0, 0, 0]
  for (let i = 0; i < n; i++) counts[random.integer(3)]!++
  for (const count of counts) expect(Math.abs(count / n - 1 / 3)).toBeLessThan(0.02)
})

test('shuffled keeps every element and leaves its argument alone', () => {
  const values = Array.from({ length: 50 }, (_, i) => i)
  const shuffled = seededRandom(1).shuffled(values)
  expect(shuffled).not.toEqual(values)
  expect([...shuffled].sort((a, b) => a - b)).toEqual(values)
  expect(values[0]).toBe(0)
})
