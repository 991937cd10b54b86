import { listed } from '@fx/core'
import type { TeacherCapabilities } from '../../contract/types.js'
import { type ConformanceCase, check } from '../case.js'
import type { ResolvedOptions } from '../options.js'

export const saysWhoItIs: ConformanceCase = {
  number: 'T01',
  name: 'says who it is',
  async run(session) {
    const { specificationVersion, id, version, pairs } = await session.teacher()
    check(specificationVersion === 'v1', `has the specificationVersion '${specificationVersion}'; it must be 'v1'`)
    check(typeof id === 'string' && /^[\w-]+$/.test(id), `has the id '${id}'; it may hold letters, digits, _ and -`)
    check(typeof version === 'string' && version !== '', `has the version '${version}'; it must be a text`)
    check(typeof pairs === 'function', `has no method 'pairs'`)
  },
}

const isNames = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every(name => typeof name === 'string') && new Set(value).size === value.length

const checkDeclared = ({ deterministic, pairCount, size, effects, parameters, recorded }: TeacherCapabilities) => {
  check(typeof deterministic === 'boolean', `declares deterministic ${deterministic}; it must be true or false`)
  const countable = Number.isSafeInteger(pairCount) || pairCount === Number.POSITIVE_INFINITY
  check(countable && pairCount > 0, `declares ${pairCount} pairs; there must be at least 1, or Infinity`)
  const { min, max } = size ?? {}
  check(
    Number.isSafeInteger(min) && Number.isSafeInteger(max) && min >= 1 && min <= max,
    `declares sizes from ${min} to ${max}; both must be whole numbers, from 1 on`,
  )
  const named = isNames(effects) && effects.length > 0
  check(effects === 'any' || named, `declares the effects ${JSON.stringify(effects)}; it must be a list or 'any'`)
  check(isNames(parameters), `declares the parameters ${JSON.stringify(parameters)}; it must be a list of names`)
  check(
    recorded === undefined || typeof recorded === 'boolean',
    `declares recorded ${recorded}; it must be true or false`,
  )
  check(!recorded || Number.isFinite(pairCount), 'declares a recording of infinitely many pairs')
}

/** What cannot be tried with these options is not judged by silence. */
const checkGiven = ({ effects: known, parameters, size }: TeacherCapabilities, options: ResolvedOptions) => {
  const given = options.effects.map(({ id }) => id)
  if (known !== 'any') {
    const missing = known.filter(id => !given.includes(id))
    check(missing.length === 0, `declares the effects ${listed(missing)} too: give their specs as effects`)
    const stranger = given.find(id => !known.includes(id))
    check(stranger === undefined, `does not declare the effect '${stranger}'; it declares ${listed(known)}`)
  }
  const ranges = options.effects.flatMap(effect => Object.entries(effect.parameters))
  for (const name of parameters) {
    const tried = ranges.some(([each, { min, max }]) => each === name && min < max)
    check(tried, `declares the parameter '${name}', which has a range in none of the given effects: give one`)
  }
  const unknown = ranges.find(([name]) => !parameters.includes(name))
  check(!unknown, `does not declare the parameter '${unknown?.[0]}' of the given effects; it declares ${parameters}`)
  const { min, max } = size
  const asked = options.size ?? min
  check(asked >= min && asked <= max, `declares sizes from ${min} to ${max}; ask for one of them, not for ${asked}`)
}

export const declaresWhatItCanDo: ConformanceCase = {
  number: 'T02',
  name: 'declares what it can do, and all of it is tried',
  async run(session) {
    const capabilities = await session.capabilities()
    check(typeof capabilities === 'object' && capabilities !== null, `has no 'capabilities'`)
    checkDeclared(capabilities)
    checkGiven(capabilities, session.options)
  },
}
