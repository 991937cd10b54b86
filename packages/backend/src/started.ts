/** How a backend started. */
export interface Started {
  threads: number
  simd: boolean
  /** A clause for the report, for instance `2 threads, SIMD`. */
  note: string
}
