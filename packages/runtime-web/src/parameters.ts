import { type EffectSpec, FxError, listed } from '@fx/core'

/** An effect's parameters as they are now. */
export interface Parameters {
  /**
   * Changes the named ones, or none when one of them is wrong.
   *
   * @throws FxError `invalid-argument` for a name that the effect lacks, a value out of its range, a student that takes none.
   */
  set(given: Readonly<Record<string, number>>): void
  /** Their values in the order of the spec, with `given` in place of what is set. Throws as `set`. */
  values(given?: Readonly<Record<string, number>>): number[]
}

const check = ({ id, parameters }: EffectSpec, taken: boolean, given: Readonly<Record<string, number>>): void => {
  for (const [name, value] of Object.entries(given)) {
    const range = Object.hasOwn(parameters, name) ? parameters[name] : undefined
    if (range === undefined) {
      const known = listed(Object.keys(parameters))
      throw new FxError('invalid-argument', `Effect '${id}' has no parameter '${name}', allowed are ${known}`)
    }
    if (!taken) {
      throw new FxError('invalid-argument', `The student of '${id}' takes no parameters, '${name}' is fixed in it`)
    }
    if (!(value >= range.min && value <= range.max)) {
      throw new FxError('invalid-argument', `Parameter '${name}' is ${value}, allowed are ${range.min} to ${range.max}`)
    }
  }
}

/** @param taken whether the student takes parameters. */
export const createParameters = (effect: EffectSpec, taken: boolean): Parameters => {
  // Not core's defaultParameters, with which its whole validation would come into the page.
  const current = Object.fromEntries(Object.entries(effect.parameters).map(([name, range]) => [name, range.default]))
  return {
    set: given => {
      check(effect, taken, given)
      Object.assign(current, given)
    },
    values: (given = {}) => {
      check(effect, taken, given)
      return Object.values({ ...current, ...given })
    },
  }
}
