// Gradients of a depthwise convolution, NHWC. x: [batch, inH, inW, channels], filter: [kH, kW, channels, multiplier],
// dy: [batch, outH, outW, channels * multiplier]. One tap of the filter at a time: the inner loop runs over the pixels
// of one row for which the tap lies inside the image, so padding costs nothing.

import { endInside, firstInside } from './rows'

/** dFilter += over the given batch. `dFilter` must be zeroed by the caller. */
export function depthwiseBackpropFilter(
  x: usize,
  dy: usize,
  dFilter: usize,
  batch: i32,
  inH: i32,
  inW: i32,
  channels: i32,
  multiplier: i32,
  kH: i32,
  kW: i32,
  outH: i32,
  outW: i32,
  strideH: i32,
  strideW: i32,
  dilationH: i32,
  dilationW: i32,
  padTop: i32,
  padLeft: i32,
): void {
  const outChannels = channels * multiplier
  const xStep = (<usize>(strideW * channels)) << 2
  const dyStep = (<usize>outChannels) << 2
  for (let b = 0; b < batch; b++) {
    for (let oy = 0; oy < outH; oy++) {
      for (let ky = 0; ky < kH; ky++) {
        const iy = oy * strideH + ky * dilationH - padTop
        if (iy < 0 || iy >= inH) continue
        for (let kx = 0; kx < kW; kx++) {
          const tap = kx * dilationW - padLeft
          const from = firstInside(tap, strideW)
          const count = endInside(tap, strideW, inW, outW) - from
          if (count <= 0) continue
          const xRow = x + ((<usize>(((b * inH + iy) * inW + from * strideW + tap) * channels)) << 2)
          const dyRow = dy + ((<usize>(((b * outH + oy) * outW + from) * outChannels)) << 2)
          const dw = dFilter + ((<usize>((ky * kW + kx) * outChannels)) << 2)
          if (multiplier === 1) filterRow(xRow, dyRow, dw, count, channels, xStep, dyStep)
          else filterRowMultiplied(xRow, dyRow, dw, count, channels, multiplier, xStep, dyStep)
        }
      }
    }
  }
}

function filterRow(xRow: usize, dyRow: usize, dw: usize, count: i32, channels: i32, xStep: usize, dyStep: usize): void {
  let c = 0
  for (; c + 16 <= channels; c += 16) {
    const at = (<usize>c) << 2
    let a0 = v128.load(dw + at)
    let a1 = v128.load(dw + at, 16)
    let a2 = v128.load(dw + at, 32)
    let a3 = v128.load(dw + at, 48)
    let xp = xRow + at
    let dp = dyRow + at
    for (let i = 0; i < count; i++) {
      a0 = f32x4.add(a0, f32x4.mul(v128.load(xp), v128.load(dp)))
      a1 = f32x4.add(a1, f32x4.mul(v128.load(xp, 16), v128.load(dp, 16)))
      a2 = f32x4.add(a2, f32x4.mul(v128.load(xp, 32), v128.load(dp, 32)))
      a3 = f32x4.add(a3, f32x4.mul(v128.load(xp, 48), v128.load(dp, 48)))
      xp += xStep
      dp += dyStep
    }
    v128.store(dw + at, a0)
    v128.store(dw + at, a1, 16)
    v128.store(dw + at, a2, 32)
    v128.store(dw + at, a3, 48)
  }
  for (; c + 4 <= channels; c += 4) {
    const at = (<usize>c) << 2
    let a0 = v128.load(dw + at)
    let xp = xRow + at
    let dp = dyRow + at
    for (let i = 0; i < count; i++) {
      a0 = f32x4.add(a0, f32x4.mul(v128.load(xp), v128.load(dp)))
      xp += xStep
      dp += dyStep
    }
    v128.store(dw + at, a0)
  }
  for (; c < channels; c++) {
    const at = (<usize>c) << 2
    let a = load<f32>(dw + at)
    let xp = xRow + at
    let dp = dyRow + at
    for (let i = 0; i < count; i++) {
      a += load<f32>(xp) * load<f32>(dp)
      xp += xStep
      dp += dyStep
    }
    store<f32>(dw + at, a)
  }
}

function filterRowMultiplied(
  xRow: usize,
  dyRow: usize,
  dw: usize,
  count: i32,
  channels: i32,
  multiplier: i32,
  xStep: usize,
  dyStep: usize,
): void {
  for (let c = 0; c < channels; c++) {
    for (let m = 0; m < multiplier; m++) {
      const out = (<usize>(c * multiplier + m)) << 2
      let a = load<f32>(dw + out)
      let xp = xRow + ((<usize>c) << 2)
      let dp = dyRow + out
      for (let i = 0; i < count; i++) {
        a += load<f32>(xp) * load<f32>(dp)
        xp += xStep
        dp += dyStep
      }
      store<f32>(dw + out, a)
    }
  }
}

/** dx, scattered tap by tap. `dx` must be zeroed by the caller. */
export function depthwiseBackpropInput(
  dy: usize,
  filter: usize,
  dx: usize,
  batch: i32,
  inH: i32,
  inW: i32,
  channels: i32,
  multiplier: i32,
  kH: i32,
  kW: i32,
  outH: i32,
  outW: i32,
  strideH: i32,
  strideW: i32,
  dilationH: i32,
  dilationW: i32,
  padTop: i32,
  padLeft: i32,
): void {
  const outChannels = channels * multiplier
  const dxStep = (<usize>(strideW * channels)) << 2
  const dyStep = (<usize>outChannels) << 2
  for (let b = 0; b < batch; b++) {
    for (let oy = 0; oy < outH; oy++) {
      for (let ky = 0; ky < kH; ky++) {
        const iy = oy * strideH + ky * dilationH - padTop
        if (iy < 0 || iy >= inH) continue
        for (let kx = 0; kx < kW; kx++) {
          const tap = kx * dilationW - padLeft
          const from = firstInside(tap, strideW)
          const count = endInside(tap, strideW, inW, outW) - from
          if (count <= 0) continue
          const dxRow = dx + ((<usize>(((b * inH + iy) * inW + from * strideW + tap) * channels)) << 2)
          const dyRow = dy + ((<usize>(((b * outH + oy) * outW + from) * outChannels)) << 2)
          const w = filter + ((<usize>((ky * kW + kx) * outChannels)) << 2)
          if (multiplier === 1) inputRow(dyRow, w, dxRow, count, channels, dxStep, dyStep)
          else inputRowMultiplied(dyRow, w, dxRow, count, channels, multiplier, dxStep, dyStep)
        }
      }
    }
  }
}

function inputRow(dyRow: usize, w: usize, dxRow: usize, count: i32, channels: i32, dxStep: usize, dyStep: usize): void {
  let c = 0
  for (; c + 16 <= channels; c += 16) {
    const at = (<usize>c) << 2
    const w0 = v128.load(w + at)
    const w1 = v128.load(w + at, 16)
    const w2 = v128.load(w + at, 32)
    const w3 = v128.load(w + at, 48)
    let xp = dxRow + at
    let dp = dyRow + at
    for (let i = 0; i < count; i++) {
      v128.store(xp, f32x4.add(v128.load(xp), f32x4.mul(w0, v128.load(dp))))
      v128.store(xp, f32x4.add(v128.load(xp, 16), f32x4.mul(w1, v128.load(dp, 16))), 16)
      v128.store(xp, f32x4.add(v128.load(xp, 32), f32x4.mul(w2, v128.load(dp, 32))), 32)
      v128.store(xp, f32x4.add(v128.load(xp, 48), f32x4.mul(w3, v128.load(dp, 48))), 48)
      xp += dxStep
      dp += dyStep
    }
  }
  for (; c + 4 <= channels; c += 4) {
    const at = (<usize>c) << 2
    const w0 = v128.load(w + at)
    let xp = dxRow + at
    let dp = dyRow + at
    for (let i = 0; i < count; i++) {
      v128.store(xp, f32x4.add(v128.load(xp), f32x4.mul(w0, v128.load(dp))))
      xp += dxStep
      dp += dyStep
    }
  }
  for (; c < channels; c++) {
    const at = (<usize>c) << 2
    const w0 = load<f32>(w + at)
    let xp = dxRow + at
    let dp = dyRow + at
    for (let i = 0; i < count; i++) {
      store<f32>(xp, load<f32>(xp) + w0 * load<f32>(dp))
      xp += dxStep
      dp += dyStep
    }
  }
}

function inputRowMultiplied(
  dyRow: usize,
  w: usize,
  dxRow: usize,
  count: i32,
  channels: i32,
  multiplier: i32,
  dxStep: usize,
  dyStep: usize,
): void {
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < channels; c++) {
      const at = dxRow + ((<usize>c) << 2)
      let a = load<f32>(at)
      for (let m = 0; m < multiplier; m++) {
        const out = (<usize>(c * multiplier + m)) << 2
        a += load<f32>(dyRow + out) * load<f32>(w + out)
      }
      store<f32>(at, a)
    }
    dxRow += dxStep
    dyRow += dyStep
  }
}
