import { FxError, listed } from './errors.js'

/** A value as it may stand in a message, whatever it is. */
export const shown = (value: unknown): string =>
  typeof value === 'string' ? `"${value}"` : Array.isArray(value) ? `[${value.join(', ')}]` : String(value)

/** `value`, when it is one of `allowed`; else an FxError that lists them. */
export const oneOf = <T extends string>(name: string, value: unknown, allowed: readonly T[]): T => {
  if (allowed.includes(value as T)) return value as T
  throw new FxError('invalid-argument', `${name} is ${shown(value)}; it must be ${listed(allowed)}`, {
    details: { name, value, allowed },
  })
}

/** `value`, when it is a finite number within `[min, max]`; else an FxError that says the range. */
export const numberIn = (name: string, value: unknown, min: number, max: number): number => {
  if (typeof value === 'number' && value >= min && value <= max) return value
  throw new FxError('invalid-argument', `${name} is ${shown(value)}; it must be a number from ${min} to ${max}`, {
    details: { name, value, min, max },
  })
}

/** `value`, when it is an integer within `[min, max]`; else an FxError that says the range. */
export const integerIn = (name: string, value: unknown, min: number, max: number): number => {
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return value as number
  throw new FxError('invalid-argument', `${name} is ${shown(value)}; it must be a whole number from ${min} to ${max}`, {
    details: { name, value, min, max },
  })
}

/** `value` as a record with exactly the members `names`; else an FxError that names the first that is wrong. */
export const recordOf = (what: string, value: unknown, names: readonly string[]): Record<string, unknown> => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new FxError('invalid-argument', `${what} must be an object, not ${shown(value)}`)
  }
  const unknown = Object.keys(value).find(name => !names.includes(name))
  if (unknown !== undefined) {
    throw new FxError('invalid-argument', `${what} has no member '${unknown}'; its members are ${listed(names)}`)
  }
  const missing = names.find(name => (value as Record<string, unknown>)[name] === undefined)
  if (missing !== undefined) throw new FxError('invalid-argument', `${what} lacks the member '${missing}'`)
  return value as Record<string, unknown>
}
