import { defaultParameters, type EffectSpec } from '@fx/core'
import type { TeacherPair } from '../../contract/types.js'
import { judgeAlignment } from '../../image/alignment.js'
import { changedRegion, equalImages } from '../../image/rgb.js'
import { type ConformanceCase, check } from '../case.js'
import { expectRefusal } from '../refusal.js'
import type { Session } from '../session.js'
import { makesPairs, yieldsImages } from './pairs.js'

export const showsTheEffect: ConformanceCase = {
  number: 'T13',
  name: 'shows the effect: the target differs from the input',
  after: [yieldsImages],
  async run(session) {
    const { threshold, minChanged } = session.options.alignment
    const { recorded } = await session.capabilities()
    for (const { effect, answer } of await session.samples()) {
      const shares = answer.pairs.map(
        ({ input, target }) =>
          changedRegion(input, target, threshold).reduce((sum, value) => sum + value, 0) / (input.width * input.height),
      )
      const shown = shares.filter(share => share > 0 && share >= minChanged).length
      // Recorded values may be small ones.
      check(
        shown >= (recorded ? shares.length / 2 : shares.length),
        `shows '${effect.id}' in ${shown} of ${shares.length} pairs: of their pixels ${shares.join(', ')} changed by more than ${threshold}; ${minChanged} is asked (see alignment)`,
      )
    }
  },
}

export const leavesTheRest: ConformanceCase = {
  number: 'T14',
  name: 'leaves what is not edited where and as it was',
  after: [yieldsImages],
  async run(session) {
    const limits = { ...session.options.alignment, minChanged: 0 }
    for (const { effect, answer } of await session.samples()) {
      for (const { id, input, target } of answer.pairs) {
        const { broken, scores } = judgeAlignment(input, target, limits)
        check(
          !broken,
          () =>
            `breaks ${broken!.limit} ${limits[broken!.limit]} of '${effect.id}' in '${id}': ${JSON.stringify(scores)} (see alignment)`,
        )
      }
    }
  },
}

const checkNames = ({ parameters, id }: TeacherPair, effect: EffectSpec): void => {
  const [has, needs] = [Object.keys(parameters ?? {}), Object.keys(effect.parameters)].map(names => names.sort().join())
  check(has === needs, `gave '${id}' the parameters '${has}'; '${effect.id}' has '${needs}'`)
}

const checkInRange = (pair: TeacherPair, effect: EffectSpec): void => {
  checkNames(pair, effect)
  for (const [name, { min, max }] of Object.entries(effect.parameters)) {
    const value = pair.parameters[name]!
    check(value >= min && value <= max, `recorded ${name} ${value} in '${pair.id}'; it goes from ${min} to ${max}`)
  }
}

/** Effects with the names of the parameters that vary. */
const ranged = (session: Session): { effect: EffectSpec; name: string; min: number; max: number }[] =>
  session.options.effects.flatMap(effect =>
    Object.entries(effect.parameters).flatMap(([name, { min, max }]) =>
      min < max ? [{ effect, name, min, max }] : [],
    ),
  )

const checkAskedValues = async (session: Session): Promise<void> => {
  for (const { effect, answer } of await session.samples()) {
    const defaults = defaultParameters(effect)
    for (const pair of answer.pairs) {
      checkNames(pair, effect)
      for (const [name, value] of Object.entries(defaults)) {
        const had = pair.parameters[name]
        check(had === value, `recorded ${name} ${had} in '${pair.id}'; the default ${value} was asked`)
      }
    }
  }
  const varied = ranged(session)[0]
  if (varied) {
    const { effect, name } = varied
    const seeds = (await session.sample()).seeds.slice(0, 2)
    const { pairs } = await session.ask({ effect, seeds, parameters: 'sampled' })
    for (const pair of pairs) checkInRange(pair, effect)
    const values = pairs.map(({ parameters }) => parameters[name])
    check(
      values.length < 2 || values[0] !== values[1],
      `recorded ${name} ${values[0]} for two seeds; 'sampled' was asked`,
    )
  }
  for (const { effect, name, min, max } of ranged(session)) {
    for (const value of [min, max]) {
      const pair = await session.withValue(effect, name, value)
      checkNames(pair, effect)
      check(pair.parameters[name] === value, `recorded ${name} ${pair.parameters[name]}; ${value} was asked`)
    }
  }
}

/** A recording has its values, and cannot give others. */
const checkRecordedValues = async (session: Session): Promise<void> => {
  for (const { effect, answer } of await session.samples()) for (const pair of answer.pairs) checkInRange(pair, effect)
  const { seeds, pairs } = await session.sample()
  const varied = ranged(session).find(({ effect }) => effect === session.effect)
  if (!varied) return
  const { name, min, max } = varied
  const other = pairs[0]!.parameters[name] === min ? max : min
  const request = await session.request({ seeds: seeds.slice(0, 1), parameters: { [name]: other } })
  await expectRefusal(session, `${name} ${other} of a recording that has another value`, request, ['invalid-argument'])
}

export const recordsValues: ConformanceCase = {
  number: 'T15',
  name: 'records the value of every parameter: the default, a sampled or the asked one',
  after: [makesPairs],
  async run(session) {
    const { recorded } = await session.capabilities()
    await (recorded ? checkRecordedValues(session) : checkAskedValues(session))
  },
}

export const honoursParameters: ConformanceCase = {
  number: 'T16',
  name: 'makes another target at another value of every parameter it declares',
  after: [showsTheEffect],
  async exempt(session) {
    const { recorded, deterministic } = await session.capabilities()
    if (recorded) return 'it declares recorded: the values came with the pairs'
    return deterministic ? undefined : 'it declares deterministic: false, so that targets differ anyway'
  },
  async run(session) {
    for (const { effect, name, min, max } of ranged(session)) {
      const at = async (value: number) => (await session.withValue(effect, name, value)).target
      const low = await at(min)
      // Of a circle, as of hues, both ends look the same.
      const ignored = equalImages(low, await at(max)) && equalImages(low, await at((min + max) / 2))
      check(!ignored, `declares '${name}', and makes the same '${effect.id}' at ${min}, in the middle and at ${max}`)
    }
  },
}
