// Group normalisation of [batch, rows, channels] over the rows and the channels of a group, a scale and an offset for each
// image and channel, and perhaps silu. An image at a time, so that it stays in the cache from one pass to the next.
import { moments, normalise, normGradInput, normGradSums } from './batchNorm'
import { silu, siluGrad } from './silu'

/** Floats that pass from one step to the next in the first cache. */
const CHUNK = 4096

/** The moments of the groups from those of the channels, which become means of groups; of each, 1 / sqrt(var + epsilon). */
function groupMoments(
  means: usize,
  variances: usize,
  mean: usize,
  inverse: usize,
  groups: i32,
  members: i32,
  epsilon: f32,
): void {
  const step = (<usize>members) << 2
  const share: f32 = 1 / <f32>members
  for (let g = 0; g < groups; g++) {
    let middle: f32 = 0
    for (let c: usize = 0; c < step; c += 4) middle += load<f32>(means + c) * share
    let variance: f32 = 0
    for (let c: usize = 0; c < step; c += 4) {
      const off: f32 = load<f32>(means + c) - middle
      variance += (load<f32>(variances + c) + off * off) * share
    }
    store<f32>(mean, middle)
    store<f32>(inverse, 1 / sqrt<f32>(variance + epsilon))
    mean += 4
    inverse += 4
    means += step
    variances += step
  }
}

/** What `normalise` needs for each channel: means[c] = mean of its group, factor[c] = scale[c] * inverse of its group. */
function spread(
  mean: usize,
  inverse: usize,
  scale: usize,
  means: usize,
  factor: usize,
  groups: i32,
  members: i32,
): void {
  for (let g = 0; g < groups; g++) {
    for (let c = 0; c < members; c++) {
      store<f32>(means, load<f32>(mean))
      store<f32>(factor, load<f32>(scale) * load<f32>(inverse))
      means += 4
      factor += 4
      scale += 4
    }
    mean += 4
    inverse += 4
  }
}

/**
 * y = activation((x - mean) * inverse * scale + shift), and the mean and inverse deviation [batch, groups] used.
 * `scaleStep` and `shiftStep`: floats from one image to the next, 0 where all share one. `scratch`: 3 * channels floats.
 */
export function groupNorm(
  x: usize,
  scale: usize,
  shift: usize,
  y: usize,
  mean: usize,
  inverse: usize,
  scratch: usize,
  batch: i32,
  rows: i32,
  channels: i32,
  groups: i32,
  scaleStep: i32,
  shiftStep: i32,
  epsilon: f32,
  withSilu: bool,
): void {
  const members = channels / groups
  const step = (<usize>channels) << 2
  const means = scratch
  const factor = scratch + step
  const rowsInChunk = max(1, CHUNK / channels)
  for (let b = 0; b < batch; b++) {
    moments(x, means, factor, scratch + 2 * step, rows, channels)
    groupMoments(means, factor, mean, inverse, groups, members, epsilon)
    spread(mean, inverse, scale, means, factor, groups, members)
    for (let row = 0; row < rows; row += rowsInChunk) {
      const count = min(rowsInChunk, rows - row)
      normalise(x, means, factor, shift, y, count, channels)
      if (withSilu) silu(y, y, count * channels)
      x += <usize>count * step
      y += <usize>count * step
    }
    mean += (<usize>groups) << 2
    inverse += (<usize>groups) << 2
    scale += (<usize>scaleStep) << 2
    shift += (<usize>shiftStep) << 2
  }
}

/**
 * dx, and what is added to dScale and dShift, which have the steps of scale and shift and must be zeroed by the caller.
 * `mean` and `inverse` come from `groupNorm`. `scratch`: 8 * channels floats.
 */
export function groupNormGrad(
  x: usize,
  dy: usize,
  scale: usize,
  shift: usize,
  mean: usize,
  inverse: usize,
  dx: usize,
  dScale: usize,
  dShift: usize,
  scratch: usize,
  batch: i32,
  rows: i32,
  channels: i32,
  groups: i32,
  scaleStep: i32,
  shiftStep: i32,
  withSilu: bool,
): void {
  const members = channels / groups
  const step = (<usize>channels) << 2
  const image = <usize>rows * step
  const means = scratch
  const factor = means + step
  const sumD = factor + step
  const sumDX = sumD + step
  const slope = sumDX + step
  const offset = slope + step
  const sums = offset + step
  const rowsInChunk = max(1, CHUNK / channels)
  for (let b = 0; b < batch; b++) {
    spread(mean, inverse, scale, means, factor, groups, members)
    // d: the gradient before the activation, kept where dx will be.
    const d = withSilu ? dx : dy
    if (withSilu) {
      for (let row = 0; row < rows; row += rowsInChunk) {
        const count = min(rowsInChunk, rows - row)
        const at = <usize>row * step
        normalise(x + at, means, factor, shift, dx + at, count, channels)
        siluGrad(dx + at, dy + at, dx + at, count * channels)
      }
    }
    normGradSums(x, d, means, sumD, sumDX, sums, rows, channels)
    gradCoefficients(scale, inverse, sumD, sumDX, slope, offset, dScale, dShift, groups, members, rows)
    normGradInput(x, d, means, factor, slope, offset, dx, rows, channels)
    x += image
    dy += image
    dx += image
    mean += (<usize>groups) << 2
    inverse += (<usize>groups) << 2
    scale += (<usize>scaleStep) << 2
    dScale += (<usize>scaleStep) << 2
    shift += (<usize>shiftStep) << 2
    dShift += (<usize>shiftStep) << 2
  }
}

/**
 * From the sums of d and d * (x - mean) over the rows: slope and offset for `normGradInput`, the share of what reaches x
 * through the moments of its group, and what this image adds to dScale and dShift.
 */
function gradCoefficients(
  scale: usize,
  inverse: usize,
  sumD: usize,
  sumDX: usize,
  slope: usize,
  offset: usize,
  dScale: usize,
  dShift: usize,
  groups: i32,
  members: i32,
  rows: i32,
): void {
  const step = (<usize>members) << 2
  const share: f32 = 1 / <f32>(rows * members)
  for (let g = 0; g < groups; g++) {
    const i = load<f32>(inverse)
    let ofD: f32 = 0
    let ofDX: f32 = 0
    for (let c: usize = 0; c < step; c += 4) {
      const s = load<f32>(scale + c)
      ofD += s * load<f32>(sumD + c)
      ofDX += s * load<f32>(sumDX + c)
      store<f32>(dScale + c, load<f32>(dScale + c) + i * load<f32>(sumDX + c))
      store<f32>(dShift + c, load<f32>(dShift + c) + load<f32>(sumD + c))
    }
    for (let c: usize = 0; c < step; c += 4) {
      store<f32>(slope + c, -i * i * i * ofDX * share)
      store<f32>(offset + c, -i * ofD * share)
    }
    inverse += 4
    scale += step
    sumD += step
    sumDX += step
    slope += step
    offset += step
    dScale += step
    dShift += step
  }
}
