// Batch normalisation over the last axis: x is [rows, channels]. Sums are gathered in blocks of rows that are then added
// up, which keeps float rounding far below that of one long sum.

const BLOCK = 128

/** Zeroes `count` floats. */
function zero(at: usize, count: i32): void {
  memory.fill(at, 0, (<usize>count) << 2)
}

/** mean and (biased) variance of every channel. `scratch`: `channels` floats. */
export function moments(x: usize, mean: usize, variance: usize, scratch: usize, rows: i32, channels: i32): void {
  const step = (<usize>channels) << 2
  const scale: f32 = 1 / <f32>rows
  zero(mean, channels)
  for (let row = 0; row < rows; row += BLOCK) {
    const end = min(row + BLOCK, rows)
    zero(scratch, channels)
    for (let r = row; r < end; r++) {
      const xp = x + <usize>r * step
      let c: usize = 0
      for (; c + 16 <= step; c += 16) v128.store(scratch + c, f32x4.add(v128.load(scratch + c), v128.load(xp + c)))
      for (; c < step; c += 4) store<f32>(scratch + c, load<f32>(scratch + c) + load<f32>(xp + c))
    }
    for (let c: usize = 0; c < step; c += 4) store<f32>(mean + c, load<f32>(mean + c) + load<f32>(scratch + c))
  }
  for (let c: usize = 0; c < step; c += 4) store<f32>(mean + c, load<f32>(mean + c) * scale)
  zero(variance, channels)
  for (let row = 0; row < rows; row += BLOCK) {
    const end = min(row + BLOCK, rows)
    zero(scratch, channels)
    for (let r = row; r < end; r++) {
      const xp = x + <usize>r * step
      let c: usize = 0
      for (; c + 16 <= step; c += 16) {
        const d = f32x4.sub(v128.load(xp + c), v128.load(mean + c))
        v128.store(scratch + c, f32x4.add(v128.load(scratch + c), f32x4.mul(d, d)))
      }
      for (; c < step; c += 4) {
        const d = load<f32>(xp + c) - load<f32>(mean + c)
        store<f32>(scratch + c, load<f32>(scratch + c) + d * d)
      }
    }
    for (let c: usize = 0; c < step; c += 4) store<f32>(variance + c, load<f32>(variance + c) + load<f32>(scratch + c))
  }
  for (let c: usize = 0; c < step; c += 4) store<f32>(variance + c, load<f32>(variance + c) * scale)
}

/** y = (x - mean) * factor + shift, per channel. */
export function normalise(
  x: usize,
  mean: usize,
  factor: usize,
  shift: usize,
  y: usize,
  rows: i32,
  channels: i32,
): void {
  const step = (<usize>channels) << 2
  for (let r = 0; r < rows; r++) {
    let c: usize = 0
    for (; c + 16 <= step; c += 16) {
      const centred = f32x4.sub(v128.load(x + c), v128.load(mean + c))
      v128.store(y + c, f32x4.add(f32x4.mul(centred, v128.load(factor + c)), v128.load(shift + c)))
    }
    for (; c < step; c += 4) {
      store<f32>(y + c, (load<f32>(x + c) - load<f32>(mean + c)) * load<f32>(factor + c) + load<f32>(shift + c))
    }
    x += step
    y += step
  }
}

/**
 * factor = scale / sqrt(variance + epsilon) and shift = offset: what `normalise` needs.
 * A zero pointer stands for a missing scale (ones) or offset (zeros).
 */
export function normaliseCoefficients(
  variance: usize,
  scale: usize,
  offset: usize,
  factor: usize,
  shift: usize,
  channels: i32,
  epsilon: f32,
): void {
  const step = (<usize>channels) << 2
  for (let c: usize = 0; c < step; c += 4) {
    store<f32>(factor + c, (scale ? load<f32>(scale + c) : 1) / sqrt<f32>(load<f32>(variance + c) + epsilon))
    store<f32>(shift + c, offset ? load<f32>(offset + c) : 0)
  }
}

/** sumDy = sum of dy, sumDyX = sum of dy * (x - mean), per channel. `scratch`: 2 * `channels` floats. */
export function normGradSums(
  x: usize,
  dy: usize,
  mean: usize,
  sumDy: usize,
  sumDyX: usize,
  scratch: usize,
  rows: i32,
  channels: i32,
): void {
  const step = (<usize>channels) << 2
  const scratchX = scratch + step
  zero(sumDy, channels)
  zero(sumDyX, channels)
  for (let row = 0; row < rows; row += BLOCK) {
    const end = min(row + BLOCK, rows)
    zero(scratch, channels * 2)
    for (let r = row; r < end; r++) {
      const xp = x + <usize>r * step
      const dp = dy + <usize>r * step
      let c: usize = 0
      for (; c + 16 <= step; c += 16) {
        const d = v128.load(dp + c)
        const centred = f32x4.sub(v128.load(xp + c), v128.load(mean + c))
        v128.store(scratch + c, f32x4.add(v128.load(scratch + c), d))
        v128.store(scratchX + c, f32x4.add(v128.load(scratchX + c), f32x4.mul(d, centred)))
      }
      for (; c < step; c += 4) {
        const d = load<f32>(dp + c)
        store<f32>(scratch + c, load<f32>(scratch + c) + d)
        store<f32>(scratchX + c, load<f32>(scratchX + c) + d * (load<f32>(xp + c) - load<f32>(mean + c)))
      }
    }
    for (let c: usize = 0; c < step; c += 4) {
      store<f32>(sumDy + c, load<f32>(sumDy + c) + load<f32>(scratch + c))
      store<f32>(sumDyX + c, load<f32>(sumDyX + c) + load<f32>(scratchX + c))
    }
  }
}

/** dx = factor * dy + slope * (x - mean) + shift, per channel: the gradient through the batch's statistics. */
export function normGradInput(
  x: usize,
  dy: usize,
  mean: usize,
  factor: usize,
  slope: usize,
  shift: usize,
  dx: usize,
  rows: i32,
  channels: i32,
): void {
  const step = (<usize>channels) << 2
  for (let r = 0; r < rows; r++) {
    let c: usize = 0
    for (; c + 16 <= step; c += 16) {
      const fromDy = f32x4.mul(v128.load(dy + c), v128.load(factor + c))
      const centred = f32x4.sub(v128.load(x + c), v128.load(mean + c))
      const fromX = f32x4.add(f32x4.mul(centred, v128.load(slope + c)), v128.load(shift + c))
      v128.store(dx + c, f32x4.add(fromDy, fromX))
    }
    for (; c < step; c += 4) {
      const fromX = (load<f32>(x + c) - load<f32>(mean + c)) * load<f32>(slope + c) + load<f32>(shift + c)
      store<f32>(dx + c, load<f32>(dy + c) * load<f32>(factor + c) + fromX)
    }
    x += step
    dy += step
    dx += step
  }
}

/**
 * The per-channel numbers of the gradient in training mode, where mean and variance depend on x
 * (Ioffe and Szegedy 2015, section 3): factor, slope and shift for `normGradInput`, and dScale.
 */
export function normGradCoefficients(
  variance: usize,
  scale: usize,
  sumDy: usize,
  sumDyX: usize,
  factor: usize,
  slope: usize,
  shift: usize,
  dScale: usize,
  rows: i32,
  channels: i32,
  epsilon: f32,
): void {
  const step = (<usize>channels) << 2
  const perRow: f32 = 1 / <f32>rows
  for (let c: usize = 0; c < step; c += 4) {
    const inverse: f32 = 1 / sqrt<f32>(load<f32>(variance + c) + epsilon)
    const f: f32 = (scale ? load<f32>(scale + c) : 1) * inverse
    store<f32>(factor + c, f)
    store<f32>(slope + c, -f * inverse * inverse * load<f32>(sumDyX + c) * perRow)
    store<f32>(shift + c, -f * load<f32>(sumDy + c) * perRow)
    store<f32>(dScale + c, load<f32>(sumDyX + c) * inverse)
  }
}

/** dx = factor * dy, per channel: the gradient when mean and variance are constants. */
export function scaleChannels(dy: usize, factor: usize, dx: usize, rows: i32, channels: i32): void {
  const step = (<usize>channels) << 2
  for (let r = 0; r < rows; r++) {
    let c: usize = 0
    for (; c + 16 <= step; c += 16) v128.store(dx + c, f32x4.mul(v128.load(dy + c), v128.load(factor + c)))
    for (; c < step; c += 4) store<f32>(dx + c, load<f32>(dy + c) * load<f32>(factor + c))
    dy += step
    dx += step
  }
}
