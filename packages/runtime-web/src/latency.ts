/** How fast an effect runs here. Times are of the last 120 frames, ms, from taking the picture to having the result. */
export interface EffectStats {
  /** Name of the tfjs backend. */
  backend: string
  threads: number
  /** Frames since the effect was loaded. */
  frames: number
  lastMs: number
  p50Ms: number
  p95Ms: number
}

const kept = 120

/** Keeps the latencies of the last frames. */
export const createLatency = () => {
  const times: number[] = []
  let frames = 0
  return {
    add: (ms: number): void => {
      times[frames % kept] = ms
      frames++
    },
    summary: (): Pick<EffectStats, 'frames' | 'lastMs' | 'p50Ms' | 'p95Ms'> => {
      const sorted = [...times].sort((a, b) => a - b)
      const quantile = (q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0
      return { frames, lastMs: times[(frames - 1) % kept] ?? 0, p50Ms: quantile(0.5), p95Ms: quantile(0.95) }
    },
  }
}
