// x * sigmoid(x), the activation of diffusion networks, and its gradient.

/** e^x to a few units in the last place, for x from -87 to 87; beyond, as at the nearer end. */
function exp(given: v128): v128 {
  // pmax and pmin in this order let through what is not a number.
  const x = f32x4.pmin(f32x4.pmax(given, f32x4.splat(-87)), f32x4.splat(87))
  // x = n ln 2 + r: adding 1.5 * 2^23 rounds, and leaves n in the lowest bits.
  const rounding = f32x4.splat(12582912)
  const shifted = f32x4.add(f32x4.mul(x, f32x4.splat(Mathf.LOG2E)), rounding)
  const n = f32x4.sub(shifted, rounding)
  // ln 2 in two parts, of which n times the first is exact.
  const coarse = f32x4.sub(x, f32x4.mul(n, f32x4.splat(0.693359375)))
  const r = f32x4.add(coarse, f32x4.mul(n, f32x4.splat(2.1219444e-4)))
  // The Taylor series: |r| <= ln(2) / 2, so that what is left out is below 6e-9.
  let p = f32x4.splat(1 / 5040)
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1 / 720))
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1 / 120))
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1 / 24))
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1 / 6))
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(0.5))
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1))
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1))
  // Times 2^n, by way of the exponent.
  return i32x4.add(p, i32x4.shl(shifted, 23))
}

function sigmoid(x: v128): v128 {
  const one = f32x4.splat(1)
  return f32x4.div(one, f32x4.add(one, exp(f32x4.neg(x))))
}

function siluSlope(x: v128): v128 {
  const s = sigmoid(x)
  // s + x s (1 - s)
  return f32x4.mul(s, f32x4.add(f32x4.splat(1), f32x4.mul(x, f32x4.sub(f32x4.splat(1), s))))
}

/** y = x * sigmoid(x); y may be x. */
export function silu(x: usize, y: usize, size: i32): void {
  const bytes = (<usize>size) << 2
  let i: usize = 0
  for (; i + 16 <= bytes; i += 16) {
    const value = v128.load(x + i)
    v128.store(y + i, f32x4.mul(value, sigmoid(value)))
  }
  for (; i < bytes; i += 4) {
    const value = v128.load32_splat(x + i)
    v128.store32_lane(y + i, f32x4.mul(value, sigmoid(value)), 0)
  }
}

/** dx = dy times the slope of `silu` at x; dx may be x. */
export function siluGrad(x: usize, dy: usize, dx: usize, size: i32): void {
  const bytes = (<usize>size) << 2
  let i: usize = 0
  for (; i + 16 <= bytes; i += 16) {
    v128.store(dx + i, f32x4.mul(v128.load(dy + i), siluSlope(v128.load(x + i))))
  }
  for (; i < bytes; i += 4) {
    const slope = siluSlope(v128.load32_splat(x + i))
    store<f32>(dx + i, load<f32>(dy + i) * f32x4.extract_lane(slope, 0))
  }
}
