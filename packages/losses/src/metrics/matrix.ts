/** Symmetric matrices are row-major Float64Arrays of `size * size` values. */

/** Inner product; four sums side by side keep the processor from waiting for each addition. */
export const dot = (a: Float64Array | Float32Array, b: Float64Array | Float32Array): number => {
  const whole = a.length - (a.length % 4)
  let [s0, s1, s2, s3] = [0, 0, 0, 0]
  for (let i = 0; i < whole; i += 4) {
    s0 += a[i]! * b[i]!
    s1 += a[i + 1]! * b[i + 1]!
    s2 += a[i + 2]! * b[i + 2]!
    s3 += a[i + 3]! * b[i + 3]!
  }
  for (let i = whole; i < a.length; i++) s0 += a[i]! * b[i]!
  return s0 + s1 + s2 + s3
}

/**
 * Vectors l_k with `matrix = sum of l_k l_k^T`, as few as its rank: Cholesky with complete pivoting, for a positive
 * semi-definite matrix.
 *
 * Source: Golub and Van Loan, "Matrix Computations", 4th edition, section 4.2.8.
 */
export const choleskyFactors = (matrix: Float64Array, size: number): Float64Array[] => {
  const factors: Float64Array[] = []
  const rest = Float64Array.from({ length: size }, (_, i) => matrix[i * size + i]!)
  const negligible = size * Number.EPSILON * rest.reduce((most, value) => Math.max(most, value), 0)
  while (factors.length < size) {
    const pivot = rest.reduce((best, value, i) => (value > rest[best]! ? i : best), 0)
    if (!(rest[pivot]! > negligible)) break
    const root = Math.sqrt(rest[pivot]!)
    const factor = matrix.slice(pivot * size, (pivot + 1) * size)
    for (const known of factors) {
      const share = known[pivot]!
      for (let i = 0; i < size; i++) factor[i] = factor[i]! - share * known[i]!
    }
    for (let i = 0; i < size; i++) {
      factor[i] = factor[i]! / root
      rest[i] = rest[i]! - factor[i]! ** 2
    }
    rest[pivot] = 0
    factors.push(factor)
  }
  return factors
}

/** `F^T M F`, where the factors are the columns of F. */
export const congruent = (matrix: Float64Array, factors: readonly Float64Array[]): Float64Array => {
  const rank = factors.length
  const result = new Float64Array(rank * rank)
  for (const [column, factor] of factors.entries()) {
    const product = Float64Array.from({ length: factor.length }, (_, row) =>
      dot(matrix.subarray(row * factor.length, (row + 1) * factor.length), factor),
    )
    for (let row = 0; row <= column; row++) {
      const value = dot(factors[row]!, product)
      result[row * rank + column] = value
      result[column * rank + row] = value
    }
  }
  return result
}

/**
 * A tridiagonal matrix with the eigenvalues of a symmetric one, by Householder reflections.
 *
 * Source: Golub and Van Loan, section 8.3.1.
 */
const tridiagonal = (matrix: Float64Array, size: number): { diagonal: Float64Array; beside: Float64Array } => {
  const a = matrix.slice()
  const beside = new Float64Array(Math.max(0, size - 1))
  for (let k = 0; k < size - 2; k++) {
    const column = Float64Array.from({ length: size - k - 1 }, (_, i) => a[(k + 1 + i) * size + k]!)
    const length = Math.sqrt(dot(column, column))
    beside[k] = column[0]! > 0 ? -length : length
    if (length === 0) continue
    column[0] = column[0]! - beside[k]!
    const scale = 2 / dot(column, column)
    const rowOf = (i: number) => a.subarray((k + 1 + i) * size + k + 1, (k + 2 + i) * size)
    const image = column.map((_, i) => scale * dot(rowOf(i), column))
    const share = (scale / 2) * dot(column, image)
    const update = image.map((value, i) => value - share * column[i]!)
    for (let i = 0; i < column.length; i++) {
      const row = rowOf(i)
      const [ofUpdate, ofColumn] = [column[i]!, update[i]!]
      for (let j = 0; j < row.length; j++) row[j] = row[j]! - ofUpdate * update[j]! - ofColumn * column[j]!
    }
  }
  if (size > 1) beside[size - 2] = a[(size - 1) * size + size - 2]!
  return { diagonal: Float64Array.from({ length: size }, (_, i) => a[i * size + i]!), beside }
}

/**
 * The eigenvalues of a symmetric matrix, rising: each is bracketed by counting the eigenvalues below a number.
 *
 * Source: Golub and Van Loan, section 8.4.1 and 8.4.2 (bisection with Sturm sequences).
 */
export const symmetricEigenvalues = (matrix: Float64Array, size: number): Float64Array => {
  const { diagonal, beside } = tridiagonal(matrix, size)
  const squared = beside.map(value => value * value)
  const reach = diagonal.reduce(
    (most, value, i) => Math.max(most, Math.abs(value) + Math.abs(beside[i - 1] ?? 0) + Math.abs(beside[i] ?? 0)),
    0,
  )
  const smallest = reach * Number.EPSILON ** 2 || Number.MIN_VALUE
  const below = (x: number): number => {
    let count = 0
    let pivot = 1
    for (let i = 0; i < size; i++) {
      pivot = diagonal[i]! - x - (i > 0 ? squared[i - 1]! / pivot : 0)
      if (Math.abs(pivot) < smallest) pivot = -smallest
      if (pivot < 0) count++
    }
    return count
  }
  return Float64Array.from({ length: size }, (_, k) => {
    let [low, high] = [-reach, reach]
    for (;;) {
      const middle = (low + high) / 2
      if (middle <= low || middle >= high) return middle
      if (high - low <= Number.EPSILON * reach) return middle
      if (below(middle) > k) high = middle
      else low = middle
    }
  })
}
