// Element-wise forward and backward passes, one trip through memory each.

/** relu6 and its like: y = clip(x, low, high). */
export function clip(x: usize, y: usize, size: i32, low: f32, high: f32): void {
  const lows = f32x4.splat(low)
  const highs = f32x4.splat(high)
  let i: usize = 0
  const bytes = (<usize>size) << 2
  for (; i + 16 <= bytes; i += 16) {
    v128.store(y + i, f32x4.pmin(f32x4.pmax(v128.load(x + i), lows), highs))
  }
  for (; i < bytes; i += 4) {
    const value = load<f32>(x + i)
    store<f32>(y + i, value < low ? low : value > high ? high : value)
  }
}

/** dx = dy where low <= x <= high, else 0: the gradient of clipByValue. */
export function clipGrad(x: usize, dy: usize, dx: usize, size: i32, low: f32, high: f32): void {
  const lows = f32x4.splat(low)
  const highs = f32x4.splat(high)
  let i: usize = 0
  const bytes = (<usize>size) << 2
  for (; i + 16 <= bytes; i += 16) {
    const value = v128.load(x + i)
    v128.store(dx + i, v128.and(v128.load(dy + i), v128.and(f32x4.ge(value, lows), f32x4.le(value, highs))))
  }
  for (; i < bytes; i += 4) {
    const value = load<f32>(x + i)
    store<f32>(dx + i, value >= low && value <= high ? load<f32>(dy + i) : 0)
  }
}

/** dx = dy where 0 < x <= high, else 0: the gradient of relu (high infinite) and relu6. */
export function reluGrad(x: usize, dy: usize, dx: usize, size: i32, high: f32): void {
  const zeros = f32x4.splat(0)
  const highs = f32x4.splat(high)
  let i: usize = 0
  const bytes = (<usize>size) << 2
  for (; i + 16 <= bytes; i += 16) {
    const value = v128.load(x + i)
    v128.store(dx + i, v128.and(v128.load(dy + i), v128.and(f32x4.gt(value, zeros), f32x4.le(value, highs))))
  }
  for (; i < bytes; i += 4) {
    const value = load<f32>(x + i)
    store<f32>(dx + i, value > 0 && value <= high ? load<f32>(dy + i) : 0)
  }
}
