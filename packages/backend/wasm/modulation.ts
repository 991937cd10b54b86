// What follows a modulated convolution (StyleGAN2, sections 2.2 and 4.1): demodulation, bias and noise, leaky relu and
// clamp, after a low-pass filter or not, in one trip through memory.

/** scale[b, c] = factor / sqrt(sum over inputs of style[b, i]^2 * squares[i, c] + epsilon), squares: [inputs, channels]. */
export function demodulation(
  style: usize,
  squares: usize,
  scale: usize,
  batch: i32,
  inputs: i32,
  channels: i32,
  epsilon: f32,
  factor: f32,
): void {
  const step = (<usize>channels) << 2
  const epsilons = f32x4.splat(epsilon)
  const factors = f32x4.splat(factor)
  for (let b = 0; b < batch; b++) {
    let c: usize = 0
    for (; c + 16 <= step; c += 16) {
      let sum = epsilons
      let at = squares + c
      for (let i = 0; i < inputs; i++) {
        const s = v128.load32_splat(style + ((<usize>i) << 2))
        sum = f32x4.add(sum, f32x4.mul(f32x4.mul(s, s), v128.load(at)))
        at += step
      }
      v128.store(scale + c, f32x4.div(factors, f32x4.sqrt(sum)))
    }
    for (; c < step; c += 4) {
      let sum = epsilon
      let at = squares + c
      for (let i = 0; i < inputs; i++) {
        const s = load<f32>(style + ((<usize>i) << 2))
        sum += s * s * load<f32>(at)
        at += step
      }
      store<f32>(scale + c, factor / sqrt<f32>(sum))
    }
    style += (<usize>inputs) << 2
    scale += step
  }
}

/**
 * y = clamp(max(a, 0) + slope * a, +-limit) with a = x * scale[b, c] + bias[c] + noise[b, pixel]. `noise` may be 0 for
 * none; `noiseStep` is its pixels an image, 0 when all images share one map.
 */
export function activateModulated(
  x: usize,
  y: usize,
  scale: usize,
  bias: usize,
  noise: usize,
  batch: i32,
  pixels: i32,
  channels: i32,
  noiseStep: i32,
  slope: f32,
  limit: f32,
): void {
  const step = (<usize>channels) << 2
  const slopes = f32x4.splat(slope)
  const high = f32x4.splat(limit)
  const low = f32x4.splat(-limit)
  const zeros = f32x4.splat(0)
  for (let b = 0; b < batch; b++) {
    let n = noise
    for (let p = 0; p < pixels; p++) {
      const shift = noise ? load<f32>(n) : 0
      const shifts = f32x4.splat(shift)
      let c: usize = 0
      for (; c + 16 <= step; c += 16) {
        const offset = f32x4.add(v128.load(bias + c), shifts)
        const a = f32x4.add(f32x4.mul(v128.load(x + c), v128.load(scale + c)), offset)
        const leaky = f32x4.add(f32x4.max(a, zeros), f32x4.mul(a, slopes))
        v128.store(y + c, f32x4.min(f32x4.max(leaky, low), high))
      }
      for (; c < step; c += 4) {
        const a = load<f32>(x + c) * load<f32>(scale + c) + load<f32>(bias + c) + shift
        store<f32>(y + c, min<f32>(max<f32>(max<f32>(a, 0) + slope * a, -limit), limit))
      }
      x += step
      y += step
      n += 4
    }
    noise += (<usize>noiseStep) << 2
    scale += step
  }
}

/** One row: sum = (a + d) + 3 (b + c), the filter [1, 3, 3, 1]. */
function filterRows(a: usize, b: usize, c: usize, d: usize, sum: usize, bytes: usize): void {
  const threes = f32x4.splat(3)
  let i: usize = 0
  for (; i + 16 <= bytes; i += 16) {
    const outer = f32x4.add(v128.load(a + i), v128.load(d + i))
    const inner = f32x4.add(v128.load(b + i), v128.load(c + i))
    v128.store(sum + i, f32x4.add(outer, f32x4.mul(inner, threes)))
  }
  for (; i < bytes; i += 4) {
    const outer = load<f32>(a + i) + load<f32>(d + i)
    store<f32>(sum + i, outer + (load<f32>(b + i) + load<f32>(c + i)) * 3)
  }
}

/**
 * `activateModulated` of x filtered by [1, 3, 3, 1] x [1, 3, 3, 1], not normalised, after one pixel of zeros on each side:
 * x is [batch, height + 1, width + 1, channels], y [batch, height, width, channels]. `scratch`: (2 width + 5) * channels
 * floats.
 */
export function lowPassModulated(
  x: usize,
  y: usize,
  scratch: usize,
  scale: usize,
  bias: usize,
  noise: usize,
  batch: i32,
  height: i32,
  width: i32,
  channels: i32,
  noiseStep: i32,
  slope: f32,
  limit: f32,
): void {
  const step = (<usize>channels) << 2
  const xRow = <usize>(width + 1) * step
  const yRow = <usize>width * step
  const zeroRow = scratch
  // A row of columns' sums with a pixel of zeros at either end.
  const sums = scratch + xRow
  const bytes = xRow + 2 * step
  memory.fill(scratch, 0, xRow + bytes)
  for (let b = 0; b < batch; b++) {
    for (let row = 0; row < height; row++) {
      const above = row > 0 ? x - xRow : zeroRow
      const below = row + 1 < height ? x + 2 * xRow : zeroRow
      filterRows(above, x, x + xRow, below, sums + step, xRow)
      // Across, into y, and from there in place while it is in the cache.
      filterRows(sums, sums + step, sums + 2 * step, sums + 3 * step, y, yRow)
      const at = noise ? noise + ((<usize>(row * width)) << 2) : 0
      activateModulated(y, y, scale, bias, at, 1, width, channels, 0, slope, limit)
      x += xRow
      y += yRow
    }
    x += xRow
    if (noise) noise += (<usize>noiseStep) << 2
    scale += step
  }
}
