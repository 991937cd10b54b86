/** Phones have four fast cores at most, and a slow one in the team makes the others wait. */
const mostThreads = 4

/** One for each core, up to four. */
export const defaultThreads = (): number => Math.min(navigator.hardwareConcurrency || 1, mostThreads)
