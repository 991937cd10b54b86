// Optimiser steps, in place.

/** The sum of squares, in double precision. */
export function sumOfSquares(x: usize, size: i32): f64 {
  let low = f64x2.splat(0)
  let high = f64x2.splat(0)
  let i: usize = 0
  const bytes = (<usize>size) << 2
  for (; i + 16 <= bytes; i += 16) {
    const value = v128.load(x + i)
    const a = f64x2.promote_low_f32x4(value)
    const b = f64x2.promote_low_f32x4(v128.shuffle<i64>(value, value, 1, 0))
    low = f64x2.add(low, f64x2.mul(a, a))
    high = f64x2.add(high, f64x2.mul(b, b))
  }
  const both = f64x2.add(low, high)
  let sum = f64x2.extract_lane(both, 0) + f64x2.extract_lane(both, 1)
  for (; i < bytes; i += 4) {
    const value = <f64>load<f32>(x + i)
    sum += value * value
  }
  return sum
}

/**
 * Kingma and Ba 2015, algorithm 1, on one variable. `gradientScale` is the clipping factor; `rate` the learning rate over
 * the first bias correction, `correction` one over the second.
 */
export function adamStep(
  variable: usize,
  gradient: usize,
  m: usize,
  v: usize,
  size: i32,
  gradientScale: f32,
  beta1: f32,
  beta2: f32,
  rate: f32,
  correction: f32,
  epsilon: f32,
): void {
  const bytes = (<usize>size) << 2
  const keep1 = f32x4.splat(beta1)
  const keep2 = f32x4.splat(beta2)
  const take1 = f32x4.splat(1 - beta1)
  const take2 = f32x4.splat(1 - beta2)
  const scales = f32x4.splat(gradientScale)
  const rates = f32x4.splat(rate)
  const corrections = f32x4.splat(correction)
  const epsilons = f32x4.splat(epsilon)
  let i: usize = 0
  for (; i + 16 <= bytes; i += 16) {
    const g = f32x4.mul(v128.load(gradient + i), scales)
    const first = f32x4.add(f32x4.mul(v128.load(m + i), keep1), f32x4.mul(g, take1))
    const second = f32x4.add(f32x4.mul(v128.load(v + i), keep2), f32x4.mul(f32x4.mul(g, g), take2))
    v128.store(m + i, first)
    v128.store(v + i, second)
    const divisor = f32x4.add(f32x4.sqrt(f32x4.mul(second, corrections)), epsilons)
    v128.store(variable + i, f32x4.sub(v128.load(variable + i), f32x4.div(f32x4.mul(first, rates), divisor)))
  }
  for (; i < bytes; i += 4) {
    const g = load<f32>(gradient + i) * gradientScale
    const first = load<f32>(m + i) * beta1 + g * (1 - beta1)
    const second = load<f32>(v + i) * beta2 + g * g * (1 - beta2)
    store<f32>(m + i, first)
    store<f32>(v + i, second)
    const divisor = sqrt<f32>(second * correction) + epsilon
    store<f32>(variable + i, load<f32>(variable + i) - (first * rate) / divisor)
  }
}

/** average += (value - average) * take. */
export function averageStep(average: usize, value: usize, size: i32, take: f32): void {
  const bytes = (<usize>size) << 2
  const takes = f32x4.splat(take)
  let i: usize = 0
  for (; i + 16 <= bytes; i += 16) {
    const old = v128.load(average + i)
    v128.store(average + i, f32x4.add(old, f32x4.mul(f32x4.sub(v128.load(value + i), old), takes)))
  }
  for (; i < bytes; i += 4) {
    const old = load<f32>(average + i)
    store<f32>(average + i, old + (load<f32>(value + i) - old) * take)
  }
}
