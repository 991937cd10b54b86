import { FxError } from '@fx/core'
import type { PairRequest } from '../../contract/types.js'
import { type ConformanceCase, check, told } from '../case.js'
import { expectRefusal, firstStep } from '../refusal.js'
import { makesPairs } from './pairs.js'

export const refusesUnknownEffects: ConformanceCase = {
  number: 'T21',
  name: 'refuses an effect it does not declare, or makes any if it declares so',
  after: [makesPairs],
  async run(session) {
    const { effects } = await session.capabilities()
    if (effects === 'any') {
      const effect = { ...session.effect, id: `${session.effect.id}-by-another-name` }
      const { pairs, skipped } = await session.ask({ effect, seeds: (await session.sample()).seeds.slice(0, 1) })
      check(pairs.length + skipped.length === 1, `declares any effect, and gave no pair of '${effect.id}'`)
      return
    }
    for (const id of ['no-such-effect', 'constructor']) {
      const request = await session.request({ effect: { ...session.effect, id } })
      await expectRefusal(session, `the effect '${id}'`, request, ['unknown-effect'])
    }
  },
}

export const refusesMalformedEffects: ConformanceCase = {
  number: 'T22',
  name: 'refuses a malformed effect',
  after: [makesPairs],
  async run(session) {
    const upsideDown = { strength: { min: 1, max: 0, default: 0.5 } }
    for (const [what, change] of [
      ['an effect without a prompt', { prompt: undefined }],
      ['an effect without parameters', { parameters: undefined }],
      ['an effect whose range is upside down', { parameters: upsideDown }],
    ] as const) {
      const request = await session.request({ effect: { ...session.effect, ...change } as never })
      await expectRefusal(session, what, request, ['invalid-argument'])
    }
  },
}

export const refusesSizes: ConformanceCase = {
  number: 'T23',
  name: 'refuses sizes below, above and between those it declares',
  after: [makesPairs],
  async run(session) {
    const { min, max } = (await session.capabilities()).size
    for (const size of [min - 1, max + 1, min + 0.5, 0, Number.NaN]) {
      await expectRefusal(session, `the size ${size}`, await session.request({ size }), ['invalid-argument'])
    }
  },
}

export const refusesSeeds: ConformanceCase = {
  number: 'T24',
  name: 'refuses seeds it does not have, those of an array before the first pair',
  after: [makesPairs],
  async run(session) {
    const { pairCount } = await session.capabilities()
    const [good] = (await session.sample()).seeds
    const above = Math.min(pairCount, Number.MAX_SAFE_INTEGER + 1)
    for (const bad of [-1, 0.5, Number.NaN, above]) {
      for (const seeds of [[good!, bad], new Set([bad])]) {
        await expectRefusal(session, `the seed ${bad}`, await session.request({ seeds }), ['invalid-argument'])
      }
    }
  },
}

export const refusesParameters: ConformanceCase = {
  number: 'T25',
  name: 'refuses parameters that it or the effect lacks, and values out of range',
  after: [makesPairs],
  async run(session) {
    const { effect } = session
    const extra = { ...effect.parameters, 'no-such-parameter': { min: 0, max: 1, default: 0 } }
    const refused: [what: string, change: Partial<PairRequest>][] = [
      ['an effect with a parameter that it does not declare', { effect: { ...effect, parameters: extra } }],
      ['the value of a parameter that the effect lacks', { parameters: { 'no-such-parameter': 1 } }],
      ["the parameters 'random'", { parameters: 'random' as never }],
    ]
    for (const each of session.options.effects) {
      for (const [name, { min, max }] of Object.entries(each.parameters)) {
        for (const value of [min - 1, max + 1, Number.NaN]) {
          refused.push([`${name} ${value}`, { effect: each, parameters: { [name]: value } }])
        }
      }
    }
    for (const [what, change] of refused) {
      await expectRefusal(session, what, await session.request(change), ['invalid-argument'])
    }
  },
}

/** Mistakes that only TypeScript would stop. */
const NONSENSE: readonly Record<string, unknown>[] = [
  { effect: null },
  { effect: 'hair-colour' },
  { size: '32' },
  { size: undefined },
  { seeds: 5 },
  { seeds: undefined },
  { seeds: ['0'] },
  { parameters: 7 },
  { parameters: { strength: '1' } },
]

export const throwsTypedErrors: ConformanceCase = {
  number: 'T26',
  name: 'throws typed errors only, whatever it is asked',
  after: [makesPairs],
  async run(session) {
    for (const nonsense of NONSENSE) {
      const request = { ...(await session.request({ seeds: (await session.sample()).seeds.slice(0, 1) })), ...nonsense }
      const step = await firstStep(await session.teacher(), request as PairRequest)
      check(
        !('error' in step) || FxError.isInstance(step.error),
        () => `threw ${told((step as { error: unknown }).error)} for ${JSON.stringify(nonsense)}`,
      )
    }
  },
}
