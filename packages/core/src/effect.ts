import { FxError } from './errors.js'
import { number, object, optional, record, type Shape, text } from './shape.js'

/** The range of one effect parameter, for instance `strength` from 0 to 1. */
export interface ParameterRange {
  min: number
  max: number
  /** The value used when none is given. */
  default: number
}

/**
 * What an effect is, in words that no teacher owns. The same spec goes to every teacher: each resolves `id` (or, for a
 * text-driven teacher, `prompt`) in its own way. Plain JSON.
 */
export interface EffectSpec {
  /** Kebab-case name, for instance `hair-colour`. */
  id: string
  /** The effect in words, for instance `a portrait of a person with bright pink hair`. */
  prompt: string
  negativePrompt?: string
  /** Parameters a user may turn, by name. Empty when the effect is simply on or off. */
  parameters: Record<string, ParameterRange>
}

const range: Shape = (value, path) => {
  const wrong = object({ min: number(), max: number(), default: number() }, { strict: true })(value, path)
  if (wrong !== undefined) return wrong
  const { min, max, default: usual } = value as ParameterRange
  if (min > max) return `${path}: min must not exceed max`
  return usual < min || usual > max ? `${path}: default must lie between min and max` : undefined
}

const effectSpec = object(
  {
    id: text(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'must be kebab-case, for instance hair-colour'),
    prompt: text(),
    negativePrompt: optional(text()),
    parameters: record(range),
  },
  { strict: true },
)

/**
 * Checks a value that claims to be an EffectSpec.
 *
 * @throws FxError `invalid-argument` naming the member that is wrong.
 */
export const parseEffectSpec = (value: unknown): EffectSpec => {
  const wrong = effectSpec(value, '')
  if (wrong !== undefined) throw new FxError('invalid-argument', `Not an effect spec: ${wrong}`, { details: { value } })
  return value as EffectSpec
}

/** Each parameter's default. */
export const defaultParameters = (effect: EffectSpec): Record<string, number> =>
  Object.fromEntries(Object.entries(effect.parameters).map(([name, { default: value }]) => [name, value]))
