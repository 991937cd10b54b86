import { FxError, integerIn, seededRandom } from '@fx/core'
import { checkedInterval, type IntervalOptions, percentileInterval, timesDrawn } from './bootstrap.js'
import { type Embedder, featurePairs } from './features.js'
import { dot } from './matrix.js'
import { type Accumulator, type Metric, streamingMetric } from './metric.js'

type Vectors = readonly Float64Array[]

/** The kernel `(x . y / d + 1)^3` of each x with each y, row-major. */
const kernel = (xs: Vectors, ys: Vectors): Float64Array => {
  const values = new Float64Array(xs.length * ys.length)
  for (let i = 0; i < xs.length; i++) {
    // Of one set with itself, half is the mirror of the other half.
    for (let j = xs === ys ? i : 0; j < ys.length; j++) {
      const value = (dot(xs[i]!, ys[j]!) / xs[i]!.length + 1) ** 3
      values[i * ys.length + j] = value
      if (xs === ys) values[j * ys.length + i] = value
    }
  }
  return values
}

const total = (weights: ArrayLike<number>, power: number): number => {
  let sum = 0
  for (let i = 0; i < weights.length; i++) sum += weights[i]! ** power
  return sum
}

/** `sum of a_i b_j K_ij`, without the diagonal when both sides are one set. */
const weighted = (matrix: Float64Array, a: ArrayLike<number>, b: ArrayLike<number>, oneSet: boolean): number => {
  let sum = 0
  for (let i = 0; i < a.length; i++) {
    if (a[i] === 0) continue
    let row = 0
    for (let j = 0; j < b.length; j++) if (!(oneSet && i === j)) row += b[j]! * matrix[i * b.length + j]!
    sum += a[i]! * row
  }
  return sum
}

/** The squared maximum mean discrepancy of two sets whose vectors count as often as the weights say; NaN for too few. */
const discrepancyOf = (xs: Vectors, ys: Vectors) => {
  const [xx, yy, xy] = [kernel(xs, xs), kernel(ys, ys), kernel(xs, ys)]
  return (a: ArrayLike<number>, b: ArrayLike<number>): number =>
    weighted(xx, a, a, true) / (total(a, 1) ** 2 - total(a, 2)) +
    weighted(yy, b, b, true) / (total(b, 1) ** 2 - total(b, 2)) -
    (2 * weighted(xy, a, b, false)) / (total(a, 1) * total(b, 1))
}

/**
 * The squared maximum mean discrepancy of two sets of feature vectors under the kernel `(x . y / d + 1)^3`, unbiased: 0 on
 * average for equal distributions, so it can fall below 0. Row-major vectors of `length` values each, in float64.
 *
 * Sources: Gretton et al., "A kernel two-sample test", JMLR 2012, equation 3; the kernel of Binkowski et al.,
 * "Demystifying MMD GANs", ICLR 2018, section 3.
 *
 * @throws FxError `shape-mismatch` for fewer than 2 whole vectors in a set.
 */
export const kernelDistance = (a: ArrayLike<number>, b: ArrayLike<number>, length: number): number => {
  const rowsOf = (values: ArrayLike<number>): Float64Array[] => {
    const count = values.length / length
    if (!Number.isInteger(count) || count < 2) {
      throw new FxError(
        'shape-mismatch',
        `kernelDistance: at least 2 whole vectors of ${length} values are needed, got ${values.length} values`,
      )
    }
    const all = Float64Array.from(values)
    return Array.from({ length: count }, (_, row) => all.subarray(row * length, (row + 1) * length))
  }
  const [xs, ys] = [rowsOf(a), rowsOf(b)]
  return discrepancyOf(xs, ys)(new Float64Array(xs.length).fill(1), new Float64Array(ys.length).fill(1))
}

export interface KidOptions extends IntervalOptions {
  /** How many images are compared with each other at a time; so many feature vectors are kept. Default 1000. */
  subsetSize?: number
}

const kidAccumulator = (
  { level, replicates, seed }: Required<IntervalOptions>,
  subsetSize: number,
  slice: string | null,
): Accumulator => {
  // Weighted sums over finished subsets, of the value and of each replicate.
  const done = { value: 0, weight: 0, values: new Float64Array(replicates), weights: new Float64Array(replicates) }
  let subset: Float64Array[] = []
  let subsets = 0
  let count = 0

  const withSubset = (sums: typeof done): typeof done => {
    const size = subset.length
    if (size < 2) return sums
    const length = subset[0]!.length / 2
    const discrepancy = discrepancyOf(
      subset.map(row => row.subarray(0, length)),
      subset.map(row => row.subarray(length)),
    )
    const once = new Float64Array(size).fill(1)
    const random = seededRandom(seed, 'kid', subsets, ...(slice === null ? [] : [slice]))
    const [values, weights] = [sums.values.slice(), sums.weights.slice()]
    for (let b = 0; b < replicates; b++) {
      const drawn = () => once.map(() => timesDrawn(random))
      const value = discrepancy(drawn(), drawn())
      // A resample of few images may hold no two different ones; it says nothing.
      if (!Number.isFinite(value)) continue
      values[b] = values[b]! + size * value
      weights[b] = weights[b]! + size
    }
    return { value: sums.value + size * discrepancy(once, once), weight: sums.weight + size, values, weights }
  }

  return {
    get count() {
      return count
    },
    add(row) {
      subset.push(Float64Array.from(row))
      count++
      if (subset.length < subsetSize) return
      Object.assign(done, withSubset(done))
      subset = []
      subsets++
    },
    result() {
      const { value, weight, values, weights } = withSubset(done)
      const told = values.map((sum, b) => sum / weights[b]!).filter((_, b) => weights[b]! > 0)
      return { value: value / weight, count, interval: told.length > 1 ? percentileInterval(told, level) : null }
    },
  }
}

/**
 * Kernel distance (KID) between the features of outputs and of targets: the mean of `kernelDistance` over subsets of the
 * images. Unlike the Fréchet distance its average does not depend on the number of images, so it suits small sets. It is
 * the published KID only with the Inception network of 2015, and is named after its embedder.
 *
 * Subsets are consecutive images, not random draws from all, so that no more than `subsetSize` feature vectors of each
 * side are kept; the order of the images then matters, as little as a random draw would. The interval resamples the
 * images within the subsets (Poisson bootstrap, 200 replicates by default), without comparing an image with itself.
 *
 * Source: Binkowski et al., "Demystifying MMD GANs", ICLR 2018, section 4.
 *
 * @throws FxError `invalid-argument` for options out of range; from `add`, `shape-mismatch` when the embedder does not
 * give one vector an image, always of one length.
 */
export const kid = (embedder: Embedder, options: KidOptions = {}): Metric => {
  const name = `kid (${embedder.name})`
  const interval = checkedInterval(name, { replicates: 200, ...options })
  const subsetSize = integerIn(`${name}: subsetSize`, options.subsetSize ?? 1000, 2, 1e5)
  return streamingMetric({
    name,
    // An unbiased estimate may fall below zero.
    ideal: Number.NEGATIVE_INFINITY,
    needs: ['target'],
    measure: featurePairs(name, embedder),
    accumulator: slice => kidAccumulator(interval, subsetSize, slice),
    fewest: 2,
  })
}
