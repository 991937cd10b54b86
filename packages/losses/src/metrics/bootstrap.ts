import { integerIn, numberIn, type SeededRandom, seededRandom } from '@fx/core'
import type { Accumulator, ConfidenceInterval } from './metric.js'

export interface IntervalOptions {
  /** How sure the interval is, from 0.01 to 0.9999. Default 0.95. */
  level?: number
  /** How many resampled data sets it rests on; 0 for no interval. Default 1000. */
  replicates?: number
  /** Names the random resampling. Default 0. */
  seed?: number
}

export const checkedInterval = (name: string, options: IntervalOptions): Required<IntervalOptions> => ({
  level: numberIn(`${name}: level`, options.level ?? 0.95, 0.01, 0.9999),
  replicates: integerIn(`${name}: replicates`, options.replicates ?? 1000, 0, 1e6),
  seed: numberIn(`${name}: seed`, options.seed ?? 0, -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
})

/** P(X <= k) of a Poisson variable of mean 1, up to where 32 random bits no longer reach. */
const CUMULATIVE = Array.from({ length: 13 }, () => 0)
for (let k = 0, term = Math.exp(-1), sum = 0; k < CUMULATIVE.length; k++, term /= k) {
  sum += term
  CUMULATIVE[k] = sum
}

/** How often a resample with replacement of many images holds a given one: Poisson of mean 1. */
export const timesDrawn = (random: SeededRandom): number => {
  const at = random.uniform()
  let times = 0
  while (at >= CUMULATIVE[times]!) times++
  return times
}

/** The middle `level` of the values, with linear interpolation between them. */
export const percentileInterval = (values: Float64Array, level: number): ConfidenceInterval => {
  const sorted = values.slice().sort()
  const quantile = (p: number): number => {
    const place = p * (sorted.length - 1)
    const below = Math.floor(place)
    const above = Math.min(below + 1, sorted.length - 1)
    return sorted[below]! + (place - below) * (sorted[above]! - sorted[below]!)
  }
  return { low: quantile((1 - level) / 2), high: quantile((1 + level) / 2), level }
}

/**
 * Accumulates rows [numerator, denominator] to `finish(sum of numerators / sum of denominators)`; a mean has 1 below.
 *
 * The interval is the percentile bootstrap in its streaming form: each of `replicates` data sets holds each image a
 * Poisson(1) number of times, so that only two sums a replicate are kept. The draws depend on the seed, the slice and the
 * image's place, so metrics of one seed resample alike, and batches of any size give the same interval.
 *
 * Source: Efron, "Bootstrap methods: another look at the jackknife", 1979; the Poisson form of Chamandy et al.,
 * "Estimating uncertainty for massive data streams", Google 2012.
 */
export const ratioOfSums = (
  { level, replicates, seed }: Required<IntervalOptions>,
  slice: string | null,
  finish: (ratio: number) => number = ratio => ratio,
): Accumulator => {
  const random = seededRandom(seed, 'bootstrap', ...(slice === null ? [] : [slice]))
  const numerators = new Float64Array(replicates)
  const denominators = new Float64Array(replicates)
  let numerator = 0
  let denominator = 0
  let count = 0
  return {
    get count() {
      return count
    },
    add(row) {
      numerator += row[0]!
      denominator += row[1]!
      count++
      for (let b = 0; b < replicates; b++) {
        const times = timesDrawn(random)
        numerators[b] = numerators[b]! + times * row[0]!
        denominators[b] = denominators[b]! + times * row[1]!
      }
    },
    result() {
      // A resample of few images can be empty; it says nothing.
      const values = numerators.map((sum, b) => sum / denominators[b]!).filter((_, b) => denominators[b]! > 0)
      const told = count > 1 && values.length > 1
      return {
        value: finish(numerator / denominator),
        count,
        interval: told ? percentileInterval(values.map(finish), level) : null,
      }
    },
  }
}
