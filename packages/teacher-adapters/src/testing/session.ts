import type { EffectSpec } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import type { PairRequest, TeacherAdapter, TeacherCapabilities, TeacherPair } from '../contract/types.js'
import { check, once, onceEach } from './case.js'
import type { ResolvedOptions } from './options.js'

/** What came of a request. */
export interface Answer {
  /** The seeds that gave a pair. */
  seeds: number[]
  /** Their pairs, with the pixels as they were when they came. */
  pairs: TeacherPair[]
  /** The pairs themselves, that may have changed since. */
  handed: TeacherPair[]
  /** The seeds that were told to give none. */
  skipped: number[]
}

/** How a second instance lived and died. */
interface SecondLife {
  adapter: TeacherAdapter
  /** Two seeds of the sample in another order. */
  answer: Answer
  /** Tensors before it was made, after a request, after more requests, and after `dispose`. */
  tensors: { before: number; held: number; later: number; after: number }
  /** What `dispose` threw. */
  disposal?: { error: unknown }
}

/** What the cases ask and share: each request is made once, for its pairs may be dear. */
export interface Session {
  readonly options: ResolvedOptions
  /** The first effect: the one that most cases ask for. */
  readonly effect: EffectSpec
  /** The instance that all cases ask but those of its end. */
  teacher(): Promise<TeacherAdapter>
  capabilities(): Promise<TeacherCapabilities>
  /** The side that most cases ask for. */
  size(): Promise<number>
  /** The first seeds that there are, not in order. */
  seeds(): Promise<number[]>
  /** A request for the first effect's pairs, with members of its own. */
  request(change?: Partial<PairRequest>): Promise<PairRequest>
  /** The answer to a request, of any instance; the shared one unless told otherwise. */
  ask(change?: Partial<PairRequest>, adapter?: TeacherAdapter): Promise<Answer>
  /** Pairs of each effect: `options.pairs` of the first, two of the others. */
  samples(): Promise<{ effect: EffectSpec; answer: Answer }[]>
  /** Those of the first effect. */
  sample(): Promise<Answer>
  /** The first effect of a seed, asked for alone. */
  alone(seed: number): Promise<Answer>
  /** A pair of the sample's first seed with one parameter set. */
  withValue(effect: EffectSpec, parameter: string, value: number): Promise<TeacherPair>
  secondLife(): Promise<SecondLife>
  close(): Promise<void>
}

/** Tolerates what a broken adapter may give. */
const copied = (pair: TeacherPair): TeacherPair => {
  const image = (given: TeacherPair['input']) => ({ ...given, data: given?.data?.slice?.() })
  return { ...pair, input: image(pair?.input), target: image(pair?.target) }
}

/** Takes a request's pairs, each copied when it comes. */
export const take = async (adapter: TeacherAdapter, request: PairRequest): Promise<Answer> => {
  const seeds = [...request.seeds]
  const answer: Answer = { seeds, pairs: [], handed: [], skipped: [] }
  const onSkip: PairRequest['onSkip'] = ({ seed }) => {
    answer.skipped.push(seed)
  }
  for await (const pair of adapter.pairs({ ...request, onSkip })) {
    answer.pairs.push(copied(pair))
    answer.handed.push(pair)
  }
  answer.seeds = seeds.filter(seed => !answer.skipped.includes(seed))
  return answer
}

/** 0 when nothing has been computed yet. */
const tensorCount = (): number => (tf.getBackend() ? tf.memory().numTensors : 0)

/** 3, 0, 2, 1: the first whole numbers, in no order. */
const outOfOrder = (count: number): number[] =>
  Array.from({ length: count }, (_, i) => (i % 2 === 0 ? count - 1 - i / 2 : (i - 1) / 2))

export const openSession = (options: ResolvedOptions): Session => {
  const effect = options.effects[0]!
  const teacher = once(async () => options.create())
  const capabilities = async () => (await teacher()).capabilities
  const size = async () => {
    const { min, max } = (await capabilities()).size
    return options.size ?? Math.min(max, Math.max(min, 32))
  }
  const seeds = async () => outOfOrder(Math.min(options.pairs, (await capabilities()).pairCount))
  const request = async (change: Partial<PairRequest> = {}): Promise<PairRequest> => ({
    effect: structuredClone(effect),
    size: await size(),
    seeds: await seeds(),
    parameters: (await capabilities()).recorded ? 'sampled' : 'default',
    ...change,
  })
  const ask = async (change?: Partial<PairRequest>, adapter?: TeacherAdapter) =>
    take(adapter ?? (await teacher()), await request(change))

  const samples = once(async () => {
    const all = await seeds()
    const found: { effect: EffectSpec; answer: Answer }[] = []
    for (const [i, each] of options.effects.entries()) {
      found.push({ effect: each, answer: await ask({ effect: each, seeds: i === 0 ? all : all.slice(0, 2) }) })
    }
    return found
  })
  const sample = async () => (await samples())[0]!.answer
  const alone = onceEach(seed => ask({ seeds: [Number(seed)] }))
  const withValue = onceEach(async key => {
    const [name, parameter, value] = JSON.parse(key) as [string, string, number]
    const { effect, answer } = (await samples()).find(each => each.effect.id === name)!
    const { pairs } = await ask({ effect, seeds: answer.seeds.slice(0, 1), parameters: { [parameter]: value } })
    check(pairs.length === 1, `gave ${pairs.length} pairs of seed ${answer.seeds[0]} with ${parameter} ${value}`)
    return pairs[0]!
  })

  const secondLife = once(async (): Promise<SecondLife> => {
    const turned = (await sample()).seeds.slice(0, 2).reverse()
    const before = tensorCount()
    const adapter = await options.create()
    const answer = await ask({ seeds: turned }, adapter)
    const held = tensorCount()
    await ask({ seeds: turned.slice(0, 1) }, adapter)
    for await (const _ of adapter.pairs(await request({ seeds: turned }))) break
    const later = tensorCount()
    let disposal: SecondLife['disposal']
    try {
      await adapter.dispose?.()
    } catch (error) {
      disposal = { error }
    }
    const tensors = { before, held, later, after: tensorCount() }
    return { adapter, answer, tensors, ...(disposal && { disposal }) }
  })

  return {
    options,
    effect,
    teacher,
    capabilities,
    size,
    seeds,
    request,
    ask,
    samples,
    sample,
    alone: seed => alone(String(seed)),
    withValue: ({ id }, parameter, value) => withValue(JSON.stringify([id, parameter, value])),
    secondLife,
    async close() {
      // A failing dispose has its own case.
      const opened = await teacher().catch(() => undefined)
      await opened?.dispose?.().catch(() => {})
    },
  }
}
