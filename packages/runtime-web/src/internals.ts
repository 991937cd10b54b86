import { FxError } from '@fx/core'
import type { Renderer } from './frame/renderer.js'
import type { EngineReport } from './frame/students.js'
import type { Effect } from './load-effect.js'
import type { Parameters } from './parameters.js'

/** What a player needs of an effect beyond its public face. */
export interface EffectInternals extends Pick<Renderer, 'open' | 'close' | 'render'> {
  parameters: Parameters
  /** As of the last frame. */
  engine(): EngineReport
  /** 1 when the effect runs in a worker of its own. */
  readonly workers: number
}

const known = new WeakMap<Effect, EffectInternals>()

export const setInternals = (effect: Effect, internals: EffectInternals): void => void known.set(effect, internals)

/** @throws FxError `invalid-argument` for what `loadEffect` did not give. */
export const internalsOf = (effect: Effect): EffectInternals => {
  const internals = known.get(effect)
  if (internals === undefined) throw new FxError('invalid-argument', 'The effect is not one that loadEffect gave')
  return internals
}
