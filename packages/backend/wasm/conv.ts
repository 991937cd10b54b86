// Gradients of a convolution, NHWC. x: [batch, inH, inW, inC], filter: [kH, kW, inC, outC], dy: [batch, outH, outW, outC].
// Both are sums, over the taps of the filter, of products of small matrices; blocks of 4 x 8 accumulators stay in
// registers. No im2col, no transposed copy of an activation, no padding, no dilation with zeros.
import { endInside, firstInside } from './rows'

/** Pixels gone through before the next block of the filter: keeps their values in the cache between blocks. */
const CHUNK = 256

/** dFilter += over the whole batch. `dFilter` must be zeroed by the caller. */
export function convBackpropFilter(
  x: usize,
  dy: usize,
  dFilter: usize,
  batch: i32,
  inH: i32,
  inW: i32,
  inC: i32,
  kH: i32,
  kW: i32,
  outH: i32,
  outW: i32,
  outC: i32,
  strideH: i32,
  strideW: i32,
  padTop: i32,
  padLeft: i32,
): void {
  const rows = batch * outH
  const rowsInChunk = max(1, CHUNK / outW)
  for (let row = 0; row < rows; row += rowsInChunk) {
    const rowEnd = min(row + rowsInChunk, rows)
    for (let ky = 0; ky < kH; ky++) {
      for (let kx = 0; kx < kW; kx++) {
        const tap = kx - padLeft
        const from = firstInside(tap, strideW)
        const count = endInside(tap, strideW, inW, outW) - from
        if (count <= 0) continue
        const xTap = x + ((<usize>((from * strideW + tap) * inC)) << 2)
        const dyTap = dy + ((<usize>(from * outC)) << 2)
        const dw = dFilter + ((<usize>((ky * kW + kx) * inC * outC)) << 2)
        filterChunk(
          xTap,
          dyTap,
          dw,
          row,
          rowEnd,
          ky - padTop,
          strideH,
          outH,
          inH,
          count,
          (<usize>(inW * inC)) << 2,
          (<usize>(outW * outC)) << 2,
          (<usize>(strideW * inC)) << 2,
          (<usize>outC) << 2,
          inC,
          outC,
        )
      }
    }
  }
}

/** The image row under tap row `tapY` for output row `row` (counted over the batch), or -1 when it is padding. */
function imageRow(row: i32, tapY: i32, strideH: i32, outH: i32, inH: i32): i32 {
  const b = row / outH
  const iy = (row - b * outH) * strideH + tapY
  return iy < 0 || iy >= inH ? -1 : b * inH + iy
}

function filterChunk(
  x: usize,
  dy: usize,
  dw: usize,
  row: i32,
  rowEnd: i32,
  tapY: i32,
  strideH: i32,
  outH: i32,
  inH: i32,
  count: i32,
  xRowStep: usize,
  dyRowStep: usize,
  xStep: usize,
  dyStep: usize,
  inC: i32,
  outC: i32,
): void {
  const wStep = (<usize>outC) << 2
  let co = 0
  for (; co + 8 <= outC; co += 8) {
    let ci = 0
    for (; ci + 4 <= inC; ci += 4) {
      const w = dw + ((<usize>(ci * outC + co)) << 2)
      let a00 = v128.load(w)
      let a01 = v128.load(w, 16)
      let a10 = v128.load(w + wStep)
      let a11 = v128.load(w + wStep, 16)
      let a20 = v128.load(w + 2 * wStep)
      let a21 = v128.load(w + 2 * wStep, 16)
      let a30 = v128.load(w + 3 * wStep)
      let a31 = v128.load(w + 3 * wStep, 16)
      for (let r = row; r < rowEnd; r++) {
        const image = imageRow(r, tapY, strideH, outH, inH)
        if (image < 0) continue
        let xp = x + <usize>image * xRowStep + ((<usize>ci) << 2)
        let dp = dy + <usize>r * dyRowStep + ((<usize>co) << 2)
        for (let i = 0; i < count; i++) {
          const d0 = v128.load(dp)
          const d1 = v128.load(dp, 16)
          let s = v128.load32_splat(xp)
          a00 = f32x4.add(a00, f32x4.mul(s, d0))
          a01 = f32x4.add(a01, f32x4.mul(s, d1))
          s = v128.load32_splat(xp, 4)
          a10 = f32x4.add(a10, f32x4.mul(s, d0))
          a11 = f32x4.add(a11, f32x4.mul(s, d1))
          s = v128.load32_splat(xp, 8)
          a20 = f32x4.add(a20, f32x4.mul(s, d0))
          a21 = f32x4.add(a21, f32x4.mul(s, d1))
          s = v128.load32_splat(xp, 12)
          a30 = f32x4.add(a30, f32x4.mul(s, d0))
          a31 = f32x4.add(a31, f32x4.mul(s, d1))
          xp += xStep
          dp += dyStep
        }
      }
      v128.store(w, a00)
      v128.store(w, a01, 16)
      v128.store(w + wStep, a10)
      v128.store(w + wStep, a11, 16)
      v128.store(w + 2 * wStep, a20)
      v128.store(w + 2 * wStep, a21, 16)
      v128.store(w + 3 * wStep, a30)
      v128.store(w + 3 * wStep, a31, 16)
    }
    for (; ci < inC; ci++) {
      const w = dw + ((<usize>(ci * outC + co)) << 2)
      let a0 = v128.load(w)
      let a1 = v128.load(w, 16)
      for (let r = row; r < rowEnd; r++) {
        const image = imageRow(r, tapY, strideH, outH, inH)
        if (image < 0) continue
        let xp = x + <usize>image * xRowStep + ((<usize>ci) << 2)
        let dp = dy + <usize>r * dyRowStep + ((<usize>co) << 2)
        for (let i = 0; i < count; i++) {
          const s = v128.load32_splat(xp)
          a0 = f32x4.add(a0, f32x4.mul(s, v128.load(dp)))
          a1 = f32x4.add(a1, f32x4.mul(s, v128.load(dp, 16)))
          xp += xStep
          dp += dyStep
        }
      }
      v128.store(w, a0)
      v128.store(w, a1, 16)
    }
  }
  // Fewer than eight output channels left (an image head has three): the lanes run over the input channels instead.
  for (; co < outC; co++) {
    let ci = 0
    for (; ci + 4 <= inC; ci += 4) {
      const w = dw + ((<usize>(ci * outC + co)) << 2)
      let a = f32x4.splat(0)
      for (let r = row; r < rowEnd; r++) {
        const image = imageRow(r, tapY, strideH, outH, inH)
        if (image < 0) continue
        let xp = x + <usize>image * xRowStep + ((<usize>ci) << 2)
        let dp = dy + <usize>r * dyRowStep + ((<usize>co) << 2)
        for (let i = 0; i < count; i++) {
          a = f32x4.add(a, f32x4.mul(v128.load(xp), v128.load32_splat(dp)))
          xp += xStep
          dp += dyStep
        }
      }
      store<f32>(w, load<f32>(w) + f32x4.extract_lane(a, 0))
      store<f32>(w + wStep, load<f32>(w + wStep) + f32x4.extract_lane(a, 1))
      store<f32>(w + 2 * wStep, load<f32>(w + 2 * wStep) + f32x4.extract_lane(a, 2))
      store<f32>(w + 3 * wStep, load<f32>(w + 3 * wStep) + f32x4.extract_lane(a, 3))
    }
    for (; ci < inC; ci++) {
      const w = dw + ((<usize>(ci * outC + co)) << 2)
      let a = load<f32>(w)
      for (let r = row; r < rowEnd; r++) {
        const image = imageRow(r, tapY, strideH, outH, inH)
        if (image < 0) continue
        let xp = x + <usize>image * xRowStep + ((<usize>ci) << 2)
        let dp = dy + <usize>r * dyRowStep + ((<usize>co) << 2)
        for (let i = 0; i < count; i++) {
          a += load<f32>(xp) * load<f32>(dp)
          xp += xStep
          dp += dyStep
        }
      }
      store<f32>(w, a)
    }
  }
}

/** filter [taps, inC, outC] -> turned [taps, outC, inC], so that the gradient's lanes run over the input channels. */
export function turnFilter(filter: usize, turned: usize, taps: i32, inC: i32, outC: i32): void {
  for (let t = 0; t < taps; t++) {
    const base = t * inC * outC
    for (let ci = 0; ci < inC; ci++) {
      for (let co = 0; co < outC; co++) {
        store<f32>(
          turned + ((<usize>(base + co * inC + ci)) << 2),
          load<f32>(filter + ((<usize>(base + ci * outC + co)) << 2)),
        )
      }
    }
  }
}

/** dx, scattered tap by tap. `dx` must be zeroed by the caller; `turned` comes from `turnFilter`. */
export function convBackpropInput(
  dy: usize,
  turned: usize,
  dx: usize,
  batch: i32,
  inH: i32,
  inW: i32,
  inC: i32,
  kH: i32,
  kW: i32,
  outH: i32,
  outW: i32,
  outC: i32,
  strideH: i32,
  strideW: i32,
  padTop: i32,
  padLeft: i32,
): void {
  const dxStep = (<usize>(strideW * inC)) << 2
  const dyStep = (<usize>outC) << 2
  const rows = batch * outH
  for (let row = 0; row < rows; row++) {
    for (let ky = 0; ky < kH; ky++) {
      const image = imageRow(row, ky - padTop, strideH, outH, inH)
      if (image < 0) continue
      for (let kx = 0; kx < kW; kx++) {
        const tap = kx - padLeft
        const from = firstInside(tap, strideW)
        const count = endInside(tap, strideW, inW, outW) - from
        if (count <= 0) continue
        inputRow(
          dy + ((<usize>((row * outW + from) * outC)) << 2),
          turned + ((<usize>((ky * kW + kx) * inC * outC)) << 2),
          dx + ((<usize>((image * inW + from * strideW + tap) * inC)) << 2),
          count,
          dyStep,
          dxStep,
          inC,
          outC,
        )
      }
    }
  }
}

function inputRow(dy: usize, w: usize, dx: usize, count: i32, dyStep: usize, dxStep: usize, inC: i32, outC: i32): void {
  const wStep = (<usize>inC) << 2
  let i = 0
  for (; i + 4 <= count; i += 4) {
    const d = dy + <usize>i * dyStep
    const xRow = dx + <usize>i * dxStep
    let ci = 0
    for (; ci + 8 <= inC; ci += 8) {
      const xp = xRow + ((<usize>ci) << 2)
      let a00 = v128.load(xp)
      let a01 = v128.load(xp, 16)
      let a10 = v128.load(xp + dxStep)
      let a11 = v128.load(xp + dxStep, 16)
      let a20 = v128.load(xp + 2 * dxStep)
      let a21 = v128.load(xp + 2 * dxStep, 16)
      let a30 = v128.load(xp + 3 * dxStep)
      let a31 = v128.load(xp + 3 * dxStep, 16)
      let wp = w + ((<usize>ci) << 2)
      let d0 = d
      let d1 = d + dyStep
      let d2 = d1 + dyStep
      let d3 = d2 + dyStep
      for (let co = 0; co < outC; co++) {
        const w0 = v128.load(wp)
        const w1 = v128.load(wp, 16)
        let s = v128.load32_splat(d0)
        a00 = f32x4.add(a00, f32x4.mul(s, w0))
        a01 = f32x4.add(a01, f32x4.mul(s, w1))
        s = v128.load32_splat(d1)
        a10 = f32x4.add(a10, f32x4.mul(s, w0))
        a11 = f32x4.add(a11, f32x4.mul(s, w1))
        s = v128.load32_splat(d2)
        a20 = f32x4.add(a20, f32x4.mul(s, w0))
        a21 = f32x4.add(a21, f32x4.mul(s, w1))
        s = v128.load32_splat(d3)
        a30 = f32x4.add(a30, f32x4.mul(s, w0))
        a31 = f32x4.add(a31, f32x4.mul(s, w1))
        wp += wStep
        d0 += 4
        d1 += 4
        d2 += 4
        d3 += 4
      }
      v128.store(xp, a00)
      v128.store(xp, a01, 16)
      v128.store(xp + dxStep, a10)
      v128.store(xp + dxStep, a11, 16)
      v128.store(xp + 2 * dxStep, a20)
      v128.store(xp + 2 * dxStep, a21, 16)
      v128.store(xp + 3 * dxStep, a30)
      v128.store(xp + 3 * dxStep, a31, 16)
    }
    if (ci < inC) {
      for (let j = 0; j < 4; j++) inputPixel(d + <usize>j * dyStep, w, xRow + <usize>j * dxStep, ci, inC, outC)
    }
  }
  for (; i < count; i++) inputPixel(dy + <usize>i * dyStep, w, dx + <usize>i * dxStep, 0, inC, outC)
}

/** One pixel, from input channel `ci` on. */
function inputPixel(d: usize, w: usize, xp: usize, ci: i32, inC: i32, outC: i32): void {
  const wStep = (<usize>inC) << 2
  for (; ci + 4 <= inC; ci += 4) {
    const at = xp + ((<usize>ci) << 2)
    let a = v128.load(at)
    let wp = w + ((<usize>ci) << 2)
    for (let co = 0; co < outC; co++) {
      a = f32x4.add(a, f32x4.mul(v128.load32_splat(d + ((<usize>co) << 2)), v128.load(wp)))
      wp += wStep
    }
    v128.store(at, a)
  }
  for (; ci < inC; ci++) {
    const at = xp + ((<usize>ci) << 2)
    let a = load<f32>(at)
    let wp = w + ((<usize>ci) << 2)
    for (let co = 0; co < outC; co++) {
      a += load<f32>(d + ((<usize>co) << 2)) * load<f32>(wp)
      wp += wStep
    }
    store<f32>(at, a)
  }
}
