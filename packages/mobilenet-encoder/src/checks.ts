import { FxError, listed } from '@fx/core'

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
