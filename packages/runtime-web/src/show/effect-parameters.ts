import type { ParameterRange } from '@fx/core'
import { internalsOf } from '../internals.js'
import type { Effect } from '../load-effect.js'

type Values = Readonly<Record<string, number>>

/** An effect's parameters as they are. */
export const parametersOf = (effect: Effect): Record<string, number> => {
  const names = Object.keys(effect.manifest.effect.parameters)
  const values = internalsOf(effect).parameters.values()
  return Object.fromEntries(names.map((name, i) => [name, values[i]!]))
}

/** The parameters that can be set: none where the student takes none. */
export const rangesOf = (effect: Effect): Record<string, ParameterRange> => {
  try {
    effect.set(parametersOf(effect))
    return effect.manifest.effect.parameters
  } catch {
    return {}
  }
}

/**
 * Sets what is given, and all else to its default. A wrong value leaves the others right, and is told to the developer,
 * once, by way of `told`.
 */
export const setParameters = (effect: Effect, given: Values, told: Set<string>): void => {
  const present = parametersOf(effect)
  const defaults = Object.entries(effect.manifest.effect.parameters).map(([name, range]) => [name, range.default])
  for (const [name, value] of Object.entries<number>({ ...Object.fromEntries(defaults), ...given })) {
    if (present[name] === value) continue
    try {
      effect.set({ [name]: value })
    } catch (error) {
      const { message } = error as Error
      if (!told.has(message)) console.warn(message)
      told.add(message)
    }
  }
}
