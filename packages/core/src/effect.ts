import * as z from 'zod/mini'
import { FxError } from './errors.js'
import { inEnglish } from './validation.js'

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

const range = z.strictObject({ min: z.number(), max: z.number(), default: z.number() }).check(
  z.refine(({ min, max }) => min <= max, 'min must not exceed max'),
  z.refine(r => r.default >= r.min && r.default <= r.max, 'default must lie between min and max'),
)

const effectSpec = z.strictObject({
  id: z.string().check(z.regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'must be kebab-case, for instance hair-colour')),
  prompt: z.string(),
  negativePrompt: z.optional(z.string()),
  parameters: z.record(z.string(), range),
})

/**
 * Checks a value that claims to be an EffectSpec.
 *
 * @throws FxError `invalid-argument` naming the member that is wrong.
 */
export const parseEffectSpec = (value: unknown): EffectSpec => {
  const result = effectSpec.safeParse(value, inEnglish)
  if (!result.success) {
    throw new FxError('invalid-argument', `Not an effect spec: ${z.prettifyError(result.error)}`, {
      details: { value },
    })
  }
  return value as EffectSpec
}

/** Each parameter's default. */
export const defaultParameters = (effect: EffectSpec): Record<string, number> =>
  Object.fromEntries(Object.entries(effect.parameters).map(([name, { default: value }]) => [name, value]))
