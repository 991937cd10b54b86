/** Of the last frames, ms. */
export interface Percentiles {
  p50Ms: number
  p95Ms: number
}

/** The value below which a part `q` of the values lie; 0 of none. */
export const percentile = (values: readonly number[], q: number): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0
}

const kept = 120

/** The times of the last 120 frames. */
export const createTimes = () => {
  const times: number[] = []
  let count = 0
  return {
    add: (ms: number): void => {
      times[count % kept] = ms
      count++
    },
    /** Of all that were added. */
    count: (): number => count,
    last: (): number => times[(count - 1) % kept] ?? 0,
    summary: (): Percentiles => ({ p50Ms: percentile(times, 0.5), p95Ms: percentile(times, 0.95) }),
  }
}
