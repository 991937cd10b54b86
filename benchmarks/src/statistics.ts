/** One timed run, bracketed by two runs of the calibration loop. All milliseconds. */
export interface Sample {
  ms: number
  calibrationBefore: number
  calibrationAfter: number
}

export interface Summary {
  /** Runs kept, and runs made. */
  kept: number
  runs: number
  p50: number
  p95: number
  min: number
  /** True when fewer than half of the runs could be kept: the machine was too noisy to believe the figures. */
  noisy: boolean
}

/** The `q` quantile (0 to 1) by linear interpolation between order statistics. */
export const quantile = (values: readonly number[], q: number): number => {
  const sorted = [...values].sort((a, b) => a - b)
  if (sorted.length === 0) return Number.NaN
  const position = (sorted.length - 1) * q
  const low = Math.floor(position)
  const high = Math.ceil(position)
  return sorted[low]! + (sorted[high]! - sorted[low]!) * (position - low)
}

/** The median of how many times as long the runs of one task took as those of another of the same rounds. */
export const medianRatio = (runs: readonly Sample[], others: readonly Sample[]): number =>
  quantile(
    runs.map(({ ms }, round) => ms / others[round]!.ms),
    0.5,
  )

/** How much slower than a fast one a calibration run may be for its neighbour to count. */
export const TOLERANCE = 1.25

/** What ran between two calibrations. */
type Bracketed = Pick<Sample, 'calibrationBefore' | 'calibrationAfter'>

/** A tenth of the calibrations are faster than this: a single lucky one does not condemn the rest. */
export const fastCalibration = (runs: readonly Bracketed[]): number =>
  quantile(
    runs.flatMap(run => [run.calibrationBefore, run.calibrationAfter]),
    0.1,
  )

/**
 * Those whose two calibration brackets are fast. SIMD code on shared machines has slow spells of up to 2.4 times that
 * nothing inside the machine shows; the calibration loop shows them.
 */
const quietOnly = <Run extends Bracketed>(runs: readonly Run[], fast = fastCalibration(runs)): Run[] =>
  runs.filter(run => Math.max(run.calibrationBefore, run.calibrationAfter) <= TOLERANCE * fast)

/** The quiet runs, or all when none is. */
export const quietOf = <Run extends Bracketed>(runs: readonly Run[], fast?: number): readonly Run[] => {
  const quiet = quietOnly(runs, fast)
  return quiet.length > 0 ? quiet : runs
}

/**
 * Keeps the quiet runs. When there are none all are used and the summary says that it is noisy.
 *
 * @param fast a fast calibration, ms. Default: by these samples.
 */
export const summarise = (samples: readonly Sample[], fast?: number): Summary => {
  const kept = quietOnly(samples, fast).length
  const used = quietOf(samples, fast).map(s => s.ms)
  return {
    kept,
    runs: samples.length,
    p50: quantile(used, 0.5),
    p95: quantile(used, 0.95),
    min: Math.min(...used),
    noisy: kept < samples.length / 2,
  }
}
