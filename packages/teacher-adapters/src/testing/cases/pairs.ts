import type { Provenance, RgbImage, TeacherAdapter, TeacherPair } from '../../contract/types.js'
import { equalImages } from '../../image/rgb.js'
import { type ConformanceCase, check } from '../case.js'
import type { Session } from '../session.js'
import { declaresWhatItCanDo } from './declared.js'

/** Every pair that was asked for, with the seed it belongs to. */
const eachPair = async (session: Session): Promise<{ pair: TeacherPair; seed: number; seeds: number[] }[]> =>
  (await session.samples()).flatMap(({ answer: { seeds, pairs } }) =>
    pairs.map((pair, i) => ({ pair, seed: seeds[i]!, seeds })),
  )

export const makesPairs: ConformanceCase = {
  number: 'T03',
  name: 'gives a pair, or a word to onSkip, for each seed of every effect it declares',
  after: [declaresWhatItCanDo],
  async run(session) {
    const wanted = Math.min(2, (await session.capabilities()).pairCount)
    for (const { effect, answer } of await session.samples()) {
      const { seeds, pairs, skipped } = answer
      check(
        pairs.length === seeds.length,
        `gave ${pairs.length} pairs of '${effect.id}' and skipped ${skipped.length} seeds of ${seeds.length + skipped.length}`,
      )
      check(pairs.length >= wanted, `skipped so many seeds of '${effect.id}' that nothing can be judged: raise pairs`)
    }
  },
}

const checkImage = (image: RgbImage | undefined, what: string, size: number): void => {
  const { width, height, data } = image ?? {}
  check(width === size && height === size, `gave ${what} of ${width} x ${height}; ${size} x ${size} was asked`)
  const kind = data?.constructor?.name ?? typeof data
  check(data instanceof Uint8Array, `gave ${what} whose data is a ${kind}; it must be a Uint8Array`)
  const needed = size * size * 3
  check(data.length === needed, `gave ${what} of ${data.length} values; ${size} x ${size} x 3 are ${needed}`)
}

export const yieldsImages: ConformanceCase = {
  number: 'T04',
  name: 'yields images of the asked size, RGB, 0-255',
  after: [makesPairs],
  async run(session) {
    const size = await session.size()
    let brightest = 0
    for (const { pair, seed } of await eachPair(session)) {
      for (const role of ['input', 'target'] as const) {
        checkImage(pair[role], `a ${role} for seed ${seed}`, size)
        for (const value of pair[role].data) brightest = Math.max(brightest, value)
      }
    }
    check(brightest > 1, 'gave images whose brightest value is 1; values go from 0 to 255')
  },
}

export const namesPairs: ConformanceCase = {
  number: 'T05',
  name: 'gives each pair an id of its own, the same for the same seed',
  after: [makesPairs],
  async run(session) {
    for (const { pair } of await eachPair(session)) {
      const fits = typeof pair.id === 'string' && /^[\w-]+$/.test(pair.id)
      check(fits, `gave a pair the id '${pair.id}'; it may hold letters, digits, _ and -`)
    }
    const { pairs, seeds } = await session.sample()
    const twice = pairs.find(({ id }, i) => pairs.findIndex(other => other.id === id) !== i)
    check(!twice, `gave the id '${twice?.id}' to two pairs`)
    const known = new Set(pairs.map(({ id }) => id))
    const [again] = (await session.alone(seeds[0]!)).pairs
    check(known.has(again!.id), `gave the id '${again!.id}' to seed ${seeds[0]}, which had another before`)
  },
}

export const showsEachSeed: ConformanceCase = {
  number: 'T06',
  name: 'shows another picture for every seed',
  after: [yieldsImages],
  async run(session) {
    const { pairs } = await session.sample()
    pairs.forEach(({ input, id }, i) => {
      const twin = pairs.slice(i + 1).find(other => equalImages(other.input, input))
      check(!twin, `shows the same picture in '${id}' and '${twin?.id}'`)
    })
  },
}

/** SPDX: identifiers, also in expressions. */
const LICENCE = /^\(?[A-Za-z0-9][\w.+:-]*( (AND|OR|WITH) \(?[A-Za-z0-9][\w.+:-]*\)?)*\)?$/

export const namesTheLicence: ConformanceCase = {
  number: 'T07',
  name: 'names the licence of each pair',
  after: [makesPairs],
  async run(session) {
    for (const { pair, seed } of await eachPair(session)) {
      const { id, attribution, url } = pair.provenance?.licence ?? {}
      check(
        typeof id === 'string' && LICENCE.test(id),
        `gave the pair of seed ${seed} the licence '${id}'; it must be an SPDX identifier such as CC0-1.0, or NOASSERTION`,
      )
      for (const text of [attribution, url]) {
        check(text === undefined || typeof text === 'string', `gave a licence with ${JSON.stringify(text)} in it`)
      }
    }
  },
}

const checkProvenance = (provenance: Provenance, { id, version }: TeacherAdapter, recorded: boolean): void => {
  const { teacher, weightsHash, prompt, extra = {} } = provenance
  check(typeof teacher?.id === 'string' && typeof teacher.version === 'string', 'gave a pair that names no teacher')
  check(
    recorded || (teacher.id === id && teacher.version === version),
    `gave a pair by the teacher '${teacher.id}', version '${teacher.version}'; it is '${id}', version '${version}'`,
  )
  check(
    weightsHash === undefined || /^[0-9a-f]{64}$/.test(weightsHash),
    `gave the weightsHash '${weightsHash}'; a SHA-256 has 64 hexadecimal digits`,
  )
  check(prompt === undefined || typeof prompt === 'string', `gave the prompt ${JSON.stringify(prompt)}; it is no text`)
  for (const [name, value] of Object.entries(extra)) {
    const plain = typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)
    check(plain, `gave extra.${name} ${String(value)}; it must be a text, a finite number, true or false`)
  }
}

export const tellsProvenance: ConformanceCase = {
  number: 'T08',
  name: 'tells where each pair came from: teacher, version, seed, weights',
  after: [makesPairs],
  async run(session) {
    const teacher = await session.teacher()
    const recorded = teacher.capabilities.recorded ?? false
    for (const { pair, seeds } of await eachPair(session)) {
      check(typeof pair.provenance === 'object' && pair.provenance !== null, 'gave a pair without provenance')
      checkProvenance(pair.provenance, teacher, recorded)
      const { seed } = pair.provenance
      check(
        Number.isSafeInteger(seed) && (recorded || seeds.includes(seed)),
        `gave a pair of seed ${seed}; asked were ${seeds.join(', ')}`,
      )
    }
  },
}

export const keepsTheOrder: ConformanceCase = {
  number: 'T09',
  name: 'yields in the order of the seeds',
  after: [namesPairs, tellsProvenance],
  async run(session) {
    const { recorded } = await session.capabilities()
    for (const { answer } of recorded ? [] : await session.samples()) {
      const [asked, came] = [answer.seeds, answer.pairs.map(({ provenance }) => provenance.seed)].map(String)
      check(asked === came, `gave the seeds ${came} where ${asked} were asked`)
    }
    const { seeds, pairs } = await session.sample()
    // The provenance of a recording tells other seeds.
    for (const i of recorded ? pairs.keys() : [0]) {
      const [alone] = (await session.alone(seeds[i]!)).pairs
      check(pairs[i]!.id === alone!.id, `gave '${pairs[i]!.id}' in place of seed ${seeds[i]}, which is '${alone!.id}'`)
    }
  },
}
