/** Sums of products in float64 over rows of float32: what regression needs of its codes, without copies of them. */
export interface Codes {
  values: Float32Array
  dim: number
}

/** Columns worked on together: their sums stay in registers. */
const TILE = 4

/** The mean of the given rows. */
export const meanOf = ({ values, dim }: Codes, rows: readonly number[]): Float64Array => {
  const mean = new Float64Array(dim)
  for (const row of rows) for (let j = 0; j < dim; j++) mean[j]! += values[row * dim + j]!
  return mean.map(sum => sum / rows.length)
}

/** `rows x dim` in float64, less the mean, row by row. */
export const centred = ({ values, dim }: Codes, rows: readonly number[], mean: Float64Array): Float64Array => {
  const result = new Float64Array(rows.length * dim)
  rows.forEach((row, i) => {
    for (let j = 0; j < dim; j++) result[i * dim + j] = values[row * dim + j]! - mean[j]!
  })
  return result
}

/**
 * `X^T X / n` of `X [n, dim]`, as rows. Four by four sums at a time, over columns that lie end to end: several times
 * faster than the plain loops.
 */
export const covariance = (x: Float64Array, dim: number): Float64Array[] => {
  const count = x.length / dim
  const padded = Math.ceil(dim / TILE) * TILE
  const columns = new Float64Array(padded * count)
  for (let i = 0; i < count; i++) for (let j = 0; j < dim; j++) columns[j * count + i] = x[i * dim + j]!
  const result = Array.from({ length: dim }, () => new Float64Array(dim))
  for (let a = 0; a < dim; a += TILE) {
    for (let b = a; b < dim; b += TILE) {
      tileOf(columns, count, a, b).forEach((sum, k) => {
        const [i, j] = [a + (k >> 2), b + (k & 3)]
        if (i >= dim || j >= dim) return
        result[i]![j] = sum / count
        result[j]![i] = sum / count
      })
    }
  }
  return result
}

/** The products of columns a..a+3 with columns b..b+3. */
const tileOf = (columns: Float64Array, count: number, a: number, b: number): number[] => {
  const [a0, a1, a2, a3] = [a * count, (a + 1) * count, (a + 2) * count, (a + 3) * count]
  const [b0, b1, b2, b3] = [b * count, (b + 1) * count, (b + 2) * count, (b + 3) * count]
  let [s00, s01, s02, s03, s10, s11, s12, s13] = [0, 0, 0, 0, 0, 0, 0, 0]
  let [s20, s21, s22, s23, s30, s31, s32, s33] = [0, 0, 0, 0, 0, 0, 0, 0]
  for (let i = 0; i < count; i++) {
    const [p0, p1, p2, p3] = [columns[a0 + i]!, columns[a1 + i]!, columns[a2 + i]!, columns[a3 + i]!]
    const [q0, q1, q2, q3] = [columns[b0 + i]!, columns[b1 + i]!, columns[b2 + i]!, columns[b3 + i]!]
    s00 += p0 * q0
    s01 += p0 * q1
    s02 += p0 * q2
    s03 += p0 * q3
    s10 += p1 * q0
    s11 += p1 * q1
    s12 += p1 * q2
    s13 += p1 * q3
    s20 += p2 * q0
    s21 += p2 * q1
    s22 += p2 * q2
    s23 += p2 * q3
    s30 += p3 * q0
    s31 += p3 * q1
    s32 += p3 * q2
    s33 += p3 * q3
  }
  return [s00, s01, s02, s03, s10, s11, s12, s13, s20, s21, s22, s23, s30, s31, s32, s33]
}

/** `X v` of `X [n, dim]`. */
export const times = (x: Float64Array, v: Float64Array): Float64Array => {
  const dim = v.length
  const result = new Float64Array(x.length / dim)
  for (let i = 0; i < result.length; i++) {
    let sum = 0
    for (let j = 0; j < dim; j++) sum += x[i * dim + j]! * v[j]!
    result[i] = sum
  }
  return result
}

/** `X^T u / n` of `X [n, dim]`. */
export const transposedTimes = (x: Float64Array, u: Float64Array): Float64Array => {
  const dim = x.length / u.length
  const result = new Float64Array(dim)
  for (let i = 0; i < u.length; i++) {
    const factor = u[i]! / u.length
    for (let j = 0; j < dim; j++) result[j]! += factor * x[i * dim + j]!
  }
  return result
}

export const dotOf = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

/** @returns `v` of length 1. */
export const unit = <V extends Float64Array>(v: V): V => {
  const length = Math.sqrt(dotOf(v, v))
  return v.map(value => value / length) as V
}
