import { type EffectSpec, FxError, seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import {
  type PairRequest,
  type RgbImage,
  type TeacherAdapter,
  type TeacherCapabilities,
  type TeacherPair,
  throwIfAborted,
} from '../src/index.js'
import type { ConformanceOptions } from '../src/testing/options.js'
import { collect } from './collect.js'
import { landscapes } from './example-teacher.js'

export const dusk: EffectSpec = {
  id: 'dusk',
  prompt: 'hills at dusk',
  parameters: { strength: { min: 0, max: 1, default: 1 } },
}

/** What a broken teacher does instead of the good one. */
interface Defect {
  /** The case that fails, and the only one. */
  fails: string
  options?: Partial<ConformanceOptions>
  capabilities?: Partial<TeacherCapabilities>
  pair?: (pair: TeacherPair, request: PairRequest) => TeacherPair
  /** Instead of `pairs`, given a good teacher's. */
  pairs?: (request: PairRequest, good: TeacherAdapter) => AsyncIterable<TeacherPair>
  /** Anything else. */
  adapter?: (good: TeacherAdapter) => Partial<TeacherAdapter>
}

/** A good teacher that can be disposed, with a defect. */
export const broken =
  ({ capabilities, pair, pairs, adapter }: Omit<Defect, 'fails'>): (() => TeacherAdapter) =>
  () => {
    let disposed = false
    const example = landscapes()
    const declared = { ...example.capabilities, ...capabilities }
    const good: TeacherAdapter = {
      ...example,
      capabilities: declared,
      async *pairs(request) {
        if (disposed) throw new FxError('invalid-argument', 'The teacher was disposed')
        for await (const each of pairs?.(request, example) ?? example.pairs(request)) {
          yield pair ? pair(each, request) : each
        }
      },
      async dispose() {
        disposed = true
      },
    }
    return { ...good, ...adapter?.(good) }
  }

const mapped = (image: RgbImage, value: (values: Uint8Array, i: number) => number): RgbImage => ({
  ...image,
  data: image.data.map((_, i) => value(image.data, i)),
})

const both = (pair: TeacherPair, change: (image: RgbImage) => RgbImage): TeacherPair => ({
  ...pair,
  input: change(pair.input),
  target: change(pair.target),
})

/** Every picture two pixels to the right. */
const shifted = (image: RgbImage): RgbImage =>
  mapped(image, (data, i) => {
    const x = Math.floor(i / 3) % image.width
    return data[x < 2 ? i : i - 6]!
  })

const isSky = ({ data }: RgbImage, i: number): boolean => data[3 * Math.floor(i / 3) + 2]! > 120

const provenance = (pair: TeacherPair, change: object): TeacherPair => ({
  ...pair,
  provenance: { ...pair.provenance, ...change },
})

/** The good teacher behind a request that breaks the rule of `where`, and one that it makes of it. */
const lenient =
  (where: (request: PairRequest) => boolean, instead: (request: PairRequest) => PairRequest) =>
  (request: PairRequest, good: TeacherAdapter): AsyncIterable<TeacherPair> =>
    good.pairs(where(request) ? instead(request) : request)

const failing = (error: unknown): AsyncIterable<TeacherPair> => ({
  [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }),
})

/** Since when two requests of one teacher disturb each other. */
const disturbed = (): Omit<Defect, 'fails'> => {
  let underWay = 0
  return {
    async *pairs(request, good) {
      underWay++
      try {
        for await (const pair of good.pairs(request)) {
          await new Promise(resolve => setTimeout(resolve))
          yield underWay > 1 ? both(pair, image => mapped(image, (data, i) => 255 - data[i]!)) : pair
        }
      } finally {
        underWay--
      }
    },
  }
}

/** Each instance has colours of its own. */
const tintedByInstance = (): Omit<Defect, 'fails'> => {
  let instances = 0
  return {
    adapter(good) {
      const tint = ++instances
      return {
        async *pairs(request) {
          for await (const pair of good.pairs(request))
            yield both(pair, image => mapped(image, (data, i) => data[i]! ^ tint))
        },
      }
    },
  }
}

const shared = new Uint8Array(2 ** 21)

/** Deliberately broken teachers, by what is wrong with them. */
export const DEFECTS: Readonly<Record<string, Defect>> = {
  'speaks another version of the contract': { fails: 'T01', adapter: () => ({ specificationVersion: 'v2' as 'v1' }) },
  'declares a size of no number': { fails: 'T02', capabilities: { size: { min: 8, max: Number.NaN } } },
  'declares an effect that nobody can try': { fails: 'T02', capabilities: { effects: ['dusk', 'dawn'] } },
  'declares a parameter that no effect has': { fails: 'T02', capabilities: { parameters: ['strength', 'hue'] } },
  'is asked for a parameter that it does not declare': { fails: 'T02', capabilities: { parameters: [] } },
  'refuses an effect that it declares': {
    fails: 'T03',
    capabilities: { effects: ['dusk', 'dawn'] },
    options: { effects: [dusk, { ...dusk, id: 'dawn' }] },
  },
  'leaves seeds out in silence': {
    fails: 'T03',
    pairs: (request, good) => good.pairs({ ...request, seeds: [...request.seeds].slice(1) }),
  },
  'makes another size': {
    fails: 'T04',
    async *pairs(request, good) {
      for await (const { provenance } of good.pairs(request)) {
        yield* good.pairs({ ...request, size: request.size + 1, seeds: [provenance.seed] })
      }
    },
  },
  'gives too little data': {
    fails: 'T04',
    pair: pair => both(pair, image => ({ ...image, data: image.data.subarray(3) })),
  },
  'gives floats': {
    fails: 'T04',
    pair: pair => both(pair, image => ({ ...image, data: Float32Array.from(image.data) as never })),
  },
  'gives values from 0 to 1': { fails: 'T04', pair: pair => both(pair, image => mapped(image, (d, i) => d[i]! / 255)) },
  'gives an id twice': { fails: 'T05', pair: pair => ({ ...pair, id: 'landscape' }) },
  'gives ids that no file may have': { fails: 'T05', pair: pair => ({ ...pair, id: `a/${pair.id}` }) },
  'shows two seeds the same picture': {
    fails: 'T06',
    async *pairs(request, good) {
      for await (const pair of good.pairs(request)) {
        const { seed } = pair.provenance
        const [twin] = await collect(good.pairs({ ...request, seeds: [seed === 1 ? 0 : seed] }))
        yield { ...pair, input: twin!.input, target: twin!.target }
      }
    },
  },
  'names no licence': { fails: 'T07', pair: pair => provenance(pair, { licence: undefined }) },
  'names a licence in prose': { fails: 'T07', pair: pair => provenance(pair, { licence: { id: 'do what you like' } }) },
  'names another version': {
    fails: 'T08',
    pair: pair => provenance(pair, { teacher: { id: 'landscapes', version: '0' } }),
  },
  'hashes its weights in base64': { fails: 'T08', pair: pair => provenance(pair, { weightsHash: 'q83vEjRWeJA=' }) },
  'tells facts that JSON does not hold': {
    fails: 'T08',
    pair: pair => provenance(pair, { extra: { score: Number.NaN } }),
  },
  'forgets the seed': { fails: 'T08', pair: pair => provenance(pair, { seed: undefined }) },
  'turns the seeds round': {
    fails: 'T09',
    pairs: lenient(
      ({ seeds }) => Array.isArray(seeds),
      request => ({ ...request, seeds: [...request.seeds].reverse() }),
    ),
  },
  'makes all before it gives one': {
    fails: 'T10',
    async *pairs(request, good) {
      for (const pair of await collect(good.pairs(request))) {
        throwIfAborted(request.signal)
        yield pair
      }
    },
  },
  'declares a size that it cannot make': { fails: 'T11', capabilities: { size: { min: 8, max: 1024 } } },
  'declares more pairs than it has': { fails: 'T12', capabilities: { pairCount: 100_001 } },
  'declares fewer pairs than it has': { fails: 'T24', capabilities: { pairCount: 1000 } },
  'changes nothing': {
    fails: 'T13',
    pair: pair => ({ ...pair, target: { ...pair.input, data: pair.input.data.slice() } }),
  },
  'moves the target': { fails: 'T14', pair: pair => ({ ...pair, target: shifted(pair.target) }) },
  'records another strength than it was asked for': {
    fails: 'T15',
    pair: pair => ({ ...pair, parameters: { strength: 0.5 } }),
  },
  'leaves a parameter out': { fails: 'T15', pair: pair => ({ ...pair, parameters: {} }) },
  'ignores its parameter': {
    fails: 'T16',
    async *pairs(request, good) {
      const full = good.pairs({ ...request, parameters: { strength: 1 } })[Symbol.asyncIterator]()
      for await (const pair of good.pairs(request)) yield { ...pair, target: (await full.next()).value.target }
    },
  },
  'declares itself a recording but changes its values': {
    fails: 'T15',
    capabilities: { recorded: true },
  },
  'is random': {
    fails: 'T17',
    pair: pair => both(pair, image => mapped(image, (data, i) => data[i]! ^ (Math.random() < 0.1 ? 1 : 0))),
  },
  'differs between instances': { fails: 'T17', ...tintedByInstance() },
  'uses one buffer for all pairs': {
    fails: 'T18',
    pair: pair =>
      both(pair, image => {
        const data = shared.subarray(image === pair.input ? 0 : 2 ** 20).subarray(0, image.data.length)
        data.set(image.data)
        return { ...image, data }
      }),
  },
  'keeps what its callers paint over': {
    fails: 'T18',
    adapter(good) {
      const kept = new Map<string, TeacherPair>()
      return {
        async *pairs(request) {
          for await (const pair of good.pairs(request)) {
            const key = JSON.stringify([pair.id, pair.input.width, pair.parameters])
            const known = kept.get(key) ?? pair
            kept.set(key, known)
            yield known
          }
        },
      }
    },
  },
  'mixes up requests that are made at once': { fails: 'T19', ...disturbed() },
  'ignores an abort': { fails: 'T20', pairs: ({ signal: _, ...request }, good) => good.pairs(request) },
  'looks at the signal only before it begins': {
    fails: 'T20',
    async *pairs({ signal, ...request }, good) {
      throwIfAborted(signal)
      yield* good.pairs(request)
    },
  },
  'ends in silence when it is aborted': {
    fails: 'T20',
    async *pairs({ signal, ...request }, good) {
      for await (const pair of good.pairs(request)) {
        if (signal?.aborted) return
        yield pair
      }
    },
  },
  'throws its own abort': {
    fails: 'T20',
    async *pairs({ signal, ...request }, good) {
      signal?.throwIfAborted()
      for await (const pair of good.pairs(request)) {
        signal?.throwIfAborted()
        yield pair
      }
    },
  },
  'is of no use after an abort': {
    fails: 'T20',
    adapter(good) {
      let over = false
      return {
        async *pairs(request) {
          request.signal?.addEventListener('abort', () => {
            over = true
          })
          if (over && !request.signal) over = false
          else yield* good.pairs(request)
        },
      }
    },
  },
  'makes up unknown effects': {
    fails: 'T21',
    pairs: lenient(
      ({ effect }) => effect?.id === 'constructor',
      request => ({ ...request, effect: dusk }),
    ),
  },
  'declares any effect but knows one': { fails: 'T21', capabilities: { effects: 'any' } },
  'takes an effect without a prompt': {
    fails: 'T22',
    pairs: lenient(
      ({ effect }) => effect?.id === 'dusk' && effect.prompt === undefined,
      request => ({ ...request, effect: dusk }),
    ),
  },
  'throws an untyped error for a size': {
    fails: 'T23',
    pairs: (request, good) =>
      Number(request.size) > 512 ? failing(new RangeError(`size ${request.size}`)) : good.pairs(request),
  },
  'throws another code for a size': {
    fails: 'T23',
    pairs: (request, good) =>
      Number(request.size) > 512 ? failing(new FxError('unsupported', 'too large')) : good.pairs(request),
  },
  'cuts values to their range': {
    fails: 'T25',
    pairs: lenient(
      ({ parameters }) => typeof parameters === 'object' && Number(parameters.strength) > 1,
      request => ({ ...request, parameters: { strength: 1 } }),
    ),
  },
  'stumbles over nonsense': {
    fails: 'T26',
    pairs: (request, good) => good.pairs({ ...request, effect: { ...request.effect, id: request.effect.id.trim() } }),
  },
  'leaks a tensor': {
    fails: 'T27',
    pair(pair) {
      tf.scalar(pair.provenance.seed)
      return pair
    },
  },
  'keeps its weights after dispose': {
    fails: 'T27',
    adapter: () => {
      tf.zeros([4])
      return {}
    },
  },
  'goes on after dispose': { fails: 'T28', adapter: () => ({ dispose: async () => {} }) },
  'throws an untyped error after dispose': {
    fails: 'T28',
    adapter(good) {
      let gone = false
      return {
        pairs: request => (gone ? failing(new TypeError('gone')) : good.pairs(request)),
        async dispose() {
          gone = true
        },
      }
    },
  },
  'cannot be disposed twice': {
    fails: 'T29',
    adapter(good) {
      let times = 0
      return {
        async dispose() {
          if (times++ > 0) throw new TypeError('disposed already')
          await good.dispose?.()
        },
      }
    },
  },
  'has targets that nothing can learn': {
    fails: 'T31',
    pair(pair) {
      const random = seededRandom(pair.provenance.seed, 'noise')
      const strength = pair.parameters.strength!
      const noisy = (data: Uint8Array, i: number) =>
        isSky(pair.input, i) ? Math.min(255, data[i]! + strength * (random.integer(61) - 30)) : data[i]!
      return { ...pair, target: mapped(pair.input, noisy) }
    },
  },
}
