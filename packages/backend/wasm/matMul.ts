// Product of two matrices: both are packed, a block at a time, in the order in which blocks of 4 x 8 accumulators read
// them, so that one loop serves all four transpositions.

/** Terms of a sum gone through at a time: a packed strip of either matrix stays in the first cache. */
const DEPTH = 256
/** Columns gone through at a time: the packed block of b stays in the second cache. */
const COLUMNS = 128

/** Floats of scratch that `matMul` needs. */
export function matMulScratch(depth: i32, columns: i32): i32 {
  const wide = (min(columns, COLUMNS) + 7) & ~7
  return min(depth, DEPTH) * (wide + 4) + 32
}

/**
 * packed[k, lane] = source[k * depthStep + lane * laneStep] for four lanes, zeros from lane `lanes` on. One of the steps
 * is a single float; all steps are in bytes, `packedStep` from one k to the next.
 */
function pack(
  source: usize,
  depthStep: usize,
  laneStep: usize,
  lanes: i32,
  depth: i32,
  packed: usize,
  packedStep: usize,
): void {
  let k = 0
  if (lanes >= 4) {
    if (laneStep === 4) {
      for (; k < depth; k++) {
        v128.store(packed, v128.load(source))
        source += depthStep
        packed += packedStep
      }
      return
    }
    const laneStep3 = 3 * laneStep
    for (; k + 4 <= depth; k += 4) {
      const row0 = v128.load(source)
      const row1 = v128.load(source + laneStep)
      const row2 = v128.load(source + 2 * laneStep)
      const row3 = v128.load(source + laneStep3)
      const low01 = v128.shuffle<f32>(row0, row1, 0, 4, 1, 5)
      const low23 = v128.shuffle<f32>(row2, row3, 0, 4, 1, 5)
      const high01 = v128.shuffle<f32>(row0, row1, 2, 6, 3, 7)
      const high23 = v128.shuffle<f32>(row2, row3, 2, 6, 3, 7)
      v128.store(packed, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5))
      v128.store(packed + packedStep, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7))
      v128.store(packed + 2 * packedStep, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5))
      v128.store(packed + 3 * packedStep, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7))
      source += 16
      packed += packedStep << 2
    }
  }
  for (; k < depth; k++) {
    for (let lane = 0; lane < 4; lane++) {
      const value: f32 = lane < lanes ? load<f32>(source + <usize>lane * laneStep) : 0
      store<f32>(packed + ((<usize>lane) << 2), value)
    }
    source += depthStep
    packed += packedStep
  }
}

/** c [4, 8] = (or, with `more`, +=) packed a [depth, 4] transposed times packed b [depth, 8]; `cStep` in bytes. */
function multiply(a: usize, b: usize, c: usize, cStep: usize, depth: i32, more: bool): void {
  let c00 = f32x4.splat(0)
  let c01 = f32x4.splat(0)
  let c10 = f32x4.splat(0)
  let c11 = f32x4.splat(0)
  let c20 = f32x4.splat(0)
  let c21 = f32x4.splat(0)
  let c30 = f32x4.splat(0)
  let c31 = f32x4.splat(0)
  for (let k = 0; k < depth; k++) {
    const b0 = v128.load(b)
    const b1 = v128.load(b, 16)
    let s = v128.load32_splat(a)
    c00 = f32x4.add(c00, f32x4.mul(s, b0))
    c01 = f32x4.add(c01, f32x4.mul(s, b1))
    s = v128.load32_splat(a, 4)
    c10 = f32x4.add(c10, f32x4.mul(s, b0))
    c11 = f32x4.add(c11, f32x4.mul(s, b1))
    s = v128.load32_splat(a, 8)
    c20 = f32x4.add(c20, f32x4.mul(s, b0))
    c21 = f32x4.add(c21, f32x4.mul(s, b1))
    s = v128.load32_splat(a, 12)
    c30 = f32x4.add(c30, f32x4.mul(s, b0))
    c31 = f32x4.add(c31, f32x4.mul(s, b1))
    a += 16
    b += 32
  }
  const row1 = c + cStep
  const row2 = row1 + cStep
  const row3 = row2 + cStep
  if (more) {
    c00 = f32x4.add(c00, v128.load(c))
    c01 = f32x4.add(c01, v128.load(c, 16))
    c10 = f32x4.add(c10, v128.load(row1))
    c11 = f32x4.add(c11, v128.load(row1, 16))
    c20 = f32x4.add(c20, v128.load(row2))
    c21 = f32x4.add(c21, v128.load(row2, 16))
    c30 = f32x4.add(c30, v128.load(row3))
    c31 = f32x4.add(c31, v128.load(row3, 16))
  }
  v128.store(c, c00)
  v128.store(c, c01, 16)
  v128.store(row1, c10)
  v128.store(row1, c11, 16)
  v128.store(row2, c20)
  v128.store(row2, c21, 16)
  v128.store(row3, c30)
  v128.store(row3, c31, 16)
}

/** `multiply` where fewer than 4 rows or 8 columns are wanted, by way of `whole` [4, 8]. */
function multiplyEdge(
  a: usize,
  b: usize,
  c: usize,
  cStep: usize,
  depth: i32,
  more: bool,
  rows: i32,
  columns: i32,
  whole: usize,
): void {
  multiply(a, b, whole, 32, depth, false)
  for (let i = 0; i < rows; i++) {
    for (let j: usize = 0; j < (<usize>columns) << 2; j += 4) {
      const value = load<f32>(whole + j)
      store<f32>(c + j, more ? load<f32>(c + j) + value : value)
    }
    whole += 32
    c += cStep
  }
}

/**
 * c [rows, columns] = a [rows, depth] times b [depth, columns], where a lies in memory as [depth, rows] if `turnedA` and
 * b as [columns, depth] if `turnedB`. `depth` is at least 1. `scratch`: `matMulScratch` floats.
 */
export function matMul(
  a: usize,
  b: usize,
  c: usize,
  scratch: usize,
  rows: i32,
  depth: i32,
  columns: i32,
  turnedA: bool,
  turnedB: bool,
): void {
  const aRow: usize = turnedA ? 4 : (<usize>depth) << 2
  const aDepth: usize = turnedA ? (<usize>rows) << 2 : 4
  const bColumn: usize = turnedB ? (<usize>depth) << 2 : 4
  const bDepth: usize = turnedB ? 4 : (<usize>columns) << 2
  const cStep = (<usize>columns) << 2
  const whole = scratch
  const strip = scratch + 128
  const block = strip + ((<usize>min(depth, DEPTH)) << 4)
  for (let k = 0; k < depth; k += DEPTH) {
    const terms = min(DEPTH, depth - k)
    const panel = (<usize>terms) << 5
    for (let j0 = 0; j0 < columns; j0 += COLUMNS) {
      const j1 = min(j0 + COLUMNS, columns)
      let packed = block
      for (let j = j0; j < j1; j += 8) {
        const source = b + <usize>k * bDepth + <usize>j * bColumn
        pack(source, bDepth, bColumn, j1 - j, terms, packed, 32)
        pack(source + 4 * bColumn, bDepth, bColumn, j1 - j - 4, terms, packed + 16, 32)
        packed += panel
      }
      for (let i = 0; i < rows; i += 4) {
        const count = rows - i
        pack(a + <usize>k * aDepth + <usize>i * aRow, aDepth, aRow, count, terms, strip, 16)
        packed = block
        for (let j = j0; j < j1; j += 8) {
          const to = c + <usize>i * cStep + ((<usize>j) << 2)
          if (count >= 4 && j1 - j >= 8) multiply(strip, packed, to, cStep, terms, k > 0)
          else multiplyEdge(strip, packed, to, cStep, terms, k > 0, min(count, 4), min(j1 - j, 8), whole)
          packed += panel
        }
      }
    }
  }
}
