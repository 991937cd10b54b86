import { expect, test } from 'vitest'
import { toHalf } from './float16.js'

/** The value of a half, by its definition. */
const fromHalf = (half: number): number => {
  const sign = half & 0x8000 ? -1 : 1
  const exponent = (half >> 10) & 31
  const mantissa = half & 1023
  if (exponent === 31) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * (exponent === 0 ? mantissa * 2 ** -24 : (1 + mantissa / 1024) * 2 ** (exponent - 15))
}

test('every half survives', () => {
  for (let half = 0; half < 0x10000; half++) {
    const value = fromHalf(half)
    if (!Number.isNaN(value)) expect(toHalf(value)).toBe(half)
  }
  expect(fromHalf(toHalf(Number.NaN))).toBeNaN()
})

test('values between two halves go to the nearer, ties to even', () => {
  expect(fromHalf(toHalf(1 + 2 ** -12))).toBe(1)
  expect(fromHalf(toHalf(1 + 2 ** -11))).toBe(1)
  expect(fromHalf(toHalf(1 + 3 * 2 ** -11))).toBe(1 + 2 ** -9)
  expect(fromHalf(toHalf(2 ** -24 * 2.5))).toBe(2 ** -23)
  expect(fromHalf(toHalf(65520))).toBe(Number.POSITIVE_INFINITY)
  expect(fromHalf(toHalf(-65519))).toBe(-65504)
  expect(fromHalf(toHalf(2 ** -26))).toBe(0)
})
