import { seededRandom } from '@fx/core'

/**
 * Which of the pairs 0 to `train + heldOut - 1` are trained on and which judge the student. It depends on the
 * run's seed alone, so two teachers are judged on the same seeds.
 */
export const splitSeeds = (seed: number, train: number, heldOut: number): { train: number[]; heldOut: number[] } => {
  const seeds = seededRandom(seed, 'split').shuffled(Array.from({ length: train + heldOut }, (_, index) => index))
  const ascending = (a: number, b: number): number => a - b
  return { heldOut: seeds.slice(0, heldOut).sort(ascending), train: seeds.slice(heldOut).sort(ascending) }
}
