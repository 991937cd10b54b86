/** What counts as learned, for the report's words; nothing else depends on it. */
export const targets = {
  /** Largest error inside the changed region, relative to doing nothing. */
  changedRatio: 0.4,
  /** Smallest PSNR of the rest. */
  keptPsnrDb: 26,
  /** Largest difference between the exported model and the trained one. */
  exportDifference: 1e-4,
} as const
