import { type ConformanceCase, check } from '../case.js'
import { distil } from '../distillation.js'
import type { Session } from '../session.js'
import { showsTheEffect } from './effect.js'
import { keepsTheOrder } from './pairs.js'

/** Fewer pairs teach nothing. */
const FEWEST = 4

/** Seeds beyond those of the sample. */
const freshSeeds = async ({ options, ...session }: Session): Promise<number[]> => {
  const known = (await session.seeds()).length
  const count = Math.min(options.distillation.pairs, (await session.capabilities()).pairCount - known)
  return Array.from({ length: Math.max(0, count) }, (_, i) => known + i)
}

export const teaches: ConformanceCase = {
  number: 'T31',
  name: 'teaches its first effect to a small network: the loss on held-out pairs falls',
  after: [showsTheEffect, keepsTheOrder],
  async exempt(session) {
    const { length } = await freshSeeds(session)
    return length < FEWEST ? `it declares too few pairs: ${length} are left to learn from` : undefined
  },
  async run(session) {
    const { margin } = session.options.distillation
    const { pairs: held } = await session.sample()
    const { pairs: learned } = await session.ask({ seeds: await freshSeeds(session) })
    check(learned.length >= FEWEST, `skipped so many seeds that ${learned.length} pairs are left to learn from`)
    const { loss, bar, steps } = await distil(learned, held, margin)
    const { network, identity, mean } = loss
    check(
      network <= bar,
      `teaches nothing: after ${steps} steps on ${learned.length} pairs the held-out loss is ${network.toFixed(5)}, doing nothing has ${identity.toFixed(5)}, the mean target ${mean.toFixed(5)}; to be reached is ${bar.toFixed(5)} (see distillation.margin)`,
    )
  },
}
