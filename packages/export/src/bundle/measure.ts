import * as tf from '@tensorflow/tfjs-core'

const now = (): number => globalThis.performance.now()

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Time of a fixed piece of vectorised work on the current backend: tells a slow moment of the machine from a slow model. */
const calibration = async (matrix: tf.Tensor2D): Promise<number> => {
  const start = now()
  const product = tf.matMul(matrix, matrix)
  await product.data()
  product.dispose()
  return now() - start
}

export interface MeasureOptions {
  /** Rounds after the warm-up; each runs every contender once. Default 31. */
  rounds?: number
  /** No new round starts after this many ms. At least three run. Default 5000. */
  budgetMs?: number
}

/**
 * Median time of each contender, ms: warmed up, run in turn in every round, each run between two calibrations, of which
 * only those are kept whose brackets are near the fastest seen. Ratios of one call can be compared, figures of two not.
 */
export const measureInterleaved = async <Name extends string>(
  contenders: Readonly<Record<Name, () => Promise<void>>>,
  { rounds = 31, budgetMs = 5000 }: MeasureOptions = {},
): Promise<Record<Name, number>> => {
  const names = Object.keys(contenders) as Name[]
  const samples = names.map(() => [] as { ms: number; bracket: number }[])
  const matrix = tf.ones([96, 96]) as tf.Tensor2D
  try {
    for (let i = 0; i < 2; i++) for (const name of names) await contenders[name]()
    await calibration(matrix)
    const began = now()
    for (let round = 0; round < rounds && (round < 3 || now() - began < budgetMs); round++) {
      for (const [i, name] of names.entries()) {
        const before = await calibration(matrix)
        const start = now()
        await contenders[name]()
        const ms = now() - start
        samples[i]!.push({ ms, bracket: Math.max(before, await calibration(matrix)) })
      }
    }
  } finally {
    matrix.dispose()
  }
  const fastest = Math.min(...samples.flat().map(({ bracket }) => bracket))
  const result = names.map((name, i) => {
    const calm = samples[i]!.filter(({ bracket }) => bracket <= 1.5 * fastest)
    const kept = calm.length >= 3 ? calm : samples[i]!
    return [name, median(kept.map(({ ms }) => ms))] as const
  })
  return Object.fromEntries(result) as Record<Name, number>
}
