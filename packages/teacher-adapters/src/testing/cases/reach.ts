import { type ConformanceCase, check } from '../case.js'
import { keepsTheOrder, makesPairs, yieldsImages } from './pairs.js'

/** A request this long would never end if all its pairs were made before the first. */
const MANY = 10_000
/** How far ahead of its pairs an adapter may draw seeds: some services are asked in parallel. */
const AHEAD = 64

export const isLazy: ConformanceCase = {
  number: 'T10',
  name: `draws seeds as pairs are taken: the first of ${MANY} comes without the others`,
  after: [makesPairs],
  async run(session) {
    const teacher = await session.teacher()
    const sample = (await session.sample()).seeds
    let drawn = 0
    function* many(): Iterable<number> {
      for (; drawn < MANY; drawn++) yield sample[drawn % sample.length]!
    }
    let taken = 0
    for await (const _ of teacher.pairs(await session.request({ seeds: many() }))) {
      check(drawn <= taken + AHEAD, `drew ${drawn} seeds for ${taken + 1} pairs`)
      if (++taken === 2) break
    }
    check(taken === 2, `gave ${taken} pairs when the seeds were an iterable, not an array`)
    const { pairs } = await session.ask({ seeds: [] })
    check(pairs.length === 0, `gave ${pairs.length} pairs of no seeds`)
  },
}

export const makesItsSizes: ConformanceCase = {
  number: 'T11',
  name: 'makes the smallest and the largest size it declares',
  after: [yieldsImages],
  async run(session) {
    const { min, max } = (await session.capabilities()).size
    const seeds = (await session.sample()).seeds.slice(0, 1)
    for (const size of new Set([min, max])) {
      if (size === (await session.size())) continue
      const { pairs } = await session.ask({ size, seeds })
      check(pairs.length === 1, `gave ${pairs.length} pairs for one seed at size ${size}`)
      for (const { width, height, data } of [pairs[0]!.input, pairs[0]!.target]) {
        const fits = width === size && height === size && data.length === size * size * 3
        check(fits, `declares the size ${size}, and gave an image of ${width} x ${height} with ${data.length} values`)
      }
    }
  },
}

export const hasItsPairs: ConformanceCase = {
  number: 'T12',
  name: 'has as many pairs as it declares',
  after: [keepsTheOrder],
  async run(session) {
    const { pairCount } = await session.capabilities()
    const last = Math.min(pairCount - 1, Number.MAX_SAFE_INTEGER)
    const { pairs, skipped } = await session.ask({ seeds: [last] })
    check(
      pairs.length + skipped.length === 1,
      `declares ${pairCount} pairs, and gave ${pairs.length} for the seed ${last}`,
    )
  },
}
