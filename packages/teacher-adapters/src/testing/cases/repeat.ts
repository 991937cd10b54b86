import type { TeacherAdapter, TeacherPair } from '../../contract/types.js'
import { equalImages } from '../../image/rgb.js'
import { type ConformanceCase, check } from '../case.js'
import { type Answer, type Session, take } from '../session.js'
import { keepsTheOrder, yieldsImages } from './pairs.js'

const notRepeatable = async (session: Session): Promise<string | undefined> =>
  (await session.capabilities()).deterministic ? undefined : 'it declares deterministic: false'

const sameBytes = (a: TeacherPair, b: TeacherPair): boolean =>
  equalImages(a.input, b.input) && equalImages(a.target, b.target)

/** Each pair of an answer against the sample's pair of that seed. */
const checkSame = (sample: Answer, answer: Answer, how: string): void => {
  answer.seeds.forEach((seed, i) => {
    const [pair, first] = [answer.pairs[i]!, sample.pairs[sample.seeds.indexOf(seed)]!]
    check(sameBytes(pair, first), `gave other bytes for seed ${seed} ${how}`)
    const facts = ({ id, parameters }: TeacherPair) => JSON.stringify([id, parameters])
    check(facts(pair) === facts(first), `told ${facts(pair)} of seed ${seed} ${how}; at first it told ${facts(first)}`)
  })
}

export const repeatsItself: ConformanceCase = {
  number: 'T17',
  name: 'gives the same bytes for the same seed: again, alone, in another order, from a second instance',
  after: [yieldsImages, keepsTheOrder],
  exempt: notRepeatable,
  async run(session) {
    const sample = await session.sample()
    for (const seed of new Set([sample.seeds[0]!, sample.seeds.at(-1)!])) {
      checkSame(sample, await session.alone(seed), 'when it was asked for alone')
    }
    const { answer, adapter } = await session.secondLife()
    checkSame(sample, answer, 'from a second instance, in another order')
    const { version } = await session.teacher()
    check(adapter.version === version, `has the version '${version}', and a second instance has '${adapter.version}'`)
  },
}

/** Whether two arrays lie on common memory. */
const overlap = (a: Uint8Array, b: Uint8Array): boolean =>
  a.buffer === b.buffer && a.byteOffset < b.byteOffset + b.byteLength && b.byteOffset < a.byteOffset + a.byteLength

const pixelsOf = ({ input, target }: TeacherPair): Uint8Array[] => [input.data, target.data]

export const handsPairsOver: ConformanceCase = {
  number: 'T18',
  name: 'hands pairs over: it shares no buffer between them, changes none later, and leaves the request as it was',
  after: [yieldsImages],
  async run(session) {
    const { pairs, handed, seeds } = await session.sample()
    handed.forEach((pair, i) => {
      const other = handed
        .slice(i + 1)
        .find(later => pixelsOf(pair).some(a => pixelsOf(later).some(b => overlap(a, b))))
      check(!other, `gave '${pair.id}' and '${other?.id}' one buffer`)
      check(sameBytes(pair, pairs[i]!), `changed the pixels of '${pair.id}' after it was given`)
    })
    const request = await session.request({ seeds: seeds.slice(0, 1) })
    const asked = JSON.stringify(request)
    const [first] = (await take(await session.teacher(), request)).handed
    check(JSON.stringify(request) === asked, `changed its request from ${asked} to ${JSON.stringify(request)}`)
    for (const data of pixelsOf(first!)) data.fill(0)
    const [again] = (await session.ask({ seeds: seeds.slice(0, 1) })).pairs
    const blank = pixelsOf(again!).every(data => data.every(value => value === 0))
    check(!blank, `gave '${again!.id}' again with the changes that the caller had made to it`)
  },
}

/** Two requests that take turns, the second in the other order. */
const interleaved = async (session: Session, adapter: TeacherAdapter): Promise<[Answer, Answer]> => {
  const seeds = (await session.sample()).seeds.slice(0, 2)
  const orders = [seeds, [...seeds].reverse()]
  const [one, other] = await Promise.all(
    orders.map(async order => take(adapter, await session.request({ seeds: order }))),
  )
  return [one!, other!]
}

export const keepsRequestsApart: ConformanceCase = {
  number: 'T19',
  name: 'keeps requests apart that are made at the same time',
  after: [repeatsItself, handsPairsOver],
  async run(session) {
    const sample = await session.sample()
    const { deterministic } = await session.capabilities()
    for (const answer of await interleaved(session, await session.teacher())) {
      const how = 'while another request was under way'
      if (deterministic) checkSame(sample, answer, how)
      const ids = (pairs: TeacherPair[]) => pairs.map(({ id }) => id).join()
      const known = ids(answer.seeds.map(seed => sample.pairs[sample.seeds.indexOf(seed)]!))
      check(ids(answer.pairs) === known, `gave ${ids(answer.pairs)} instead of ${known} ${how}`)
    }
  },
}
