import { defaultParameters, type EffectSpec, FxError, listed, parseEffectSpec, seededRandom, shown } from '@fx/core'
import type { PairRequest, TeacherAdapter } from './types.js'

/** A request that was checked, with everything decided that does not depend on a seed. */
export interface ResolvedPairRequest {
  effect: EffectSpec
  size: number
  /** The seeds, each checked as it is drawn when the request's `seeds` is not an array. */
  seeds: Iterable<number>
  /** The effect parameters' values for a seed. */
  parametersFor(seed: number): Record<string, number>
  /** @throws FxError `aborted` once the caller's signal fired. */
  throwIfAborted(): void
}

/**
 * Checks a request against what an adapter says it can do. Every adapter calls this first, so that all teachers refuse
 * the same mistakes in the same words.
 *
 * @throws FxError `aborted`, `unknown-effect` (listing the known ids), or `invalid-argument` for a malformed effect, a
 *   size or seed out of range, and parameters that the effect or the teacher lacks.
 */
export const validatePairRequest = (
  adapter: Pick<TeacherAdapter, 'id' | 'capabilities'>,
  request: PairRequest,
): ResolvedPairRequest => {
  const { capabilities } = adapter
  throwIfAborted(request.signal)
  const effect = parseEffectSpec(request.effect)
  if (capabilities.effects !== 'any' && !capabilities.effects.includes(effect.id)) {
    throw new FxError(
      'unknown-effect',
      `The teacher '${adapter.id}' does not know the effect '${effect.id}'; it knows ${listed(capabilities.effects)}`,
      { details: { effect: effect.id, known: capabilities.effects } },
    )
  }
  const unknown = Object.keys(effect.parameters).find(name => !capabilities.parameters.includes(name))
  if (unknown !== undefined) {
    throw new FxError(
      'invalid-argument',
      `The teacher '${adapter.id}' does not honour the parameter '${unknown}' of the effect '${effect.id}'; it honours ${listed(capabilities.parameters)}`,
      { details: { parameter: unknown, honoured: capabilities.parameters } },
    )
  }
  const { min, max } = capabilities.size
  if (!Number.isInteger(request.size) || request.size < min || request.size > max) {
    throw new FxError(
      'invalid-argument',
      `The teacher '${adapter.id}' cannot make images of size ${request.size}; the size must be an integer from ${min} to ${max}`,
      { details: { size: request.size, min, max } },
    )
  }
  if (typeof request.seeds?.[Symbol.iterator] !== 'function') {
    throw new FxError('invalid-argument', `seeds is ${shown(request.seeds)}; it must be an array or another iterable`)
  }
  const checkSeed = (seed: number) => checkedSeed(adapter, seed)
  if (Array.isArray(request.seeds)) request.seeds.forEach(checkSeed)
  return {
    effect,
    size: request.size,
    seeds: Array.isArray(request.seeds) ? request.seeds : checkedWhenDrawn(request.seeds, checkSeed),
    parametersFor: parameterResolver(effect, request.parameters ?? 'default'),
    throwIfAborted: () => throwIfAborted(request.signal),
  }
}

/** @throws FxError `aborted` once the signal fired, with its reason as the cause. */
export const throwIfAborted = (signal: AbortSignal | undefined): void => {
  if (signal?.aborted) throw new FxError('aborted', 'The request for pairs was aborted', { cause: signal.reason })
}

const checkedSeed = ({ id, capabilities }: Pick<TeacherAdapter, 'id' | 'capabilities'>, seed: number): number => {
  const last = Math.min(capabilities.pairCount - 1, Number.MAX_SAFE_INTEGER)
  if (!Number.isSafeInteger(seed) || seed < 0 || seed > last) {
    const allowed = last < 0 ? 'it has no pairs' : `seeds are integers from 0 to ${last}`
    throw new FxError('invalid-argument', `The teacher '${id}' has no seed ${seed}; ${allowed}`, {
      details: { seed, pairCount: capabilities.pairCount },
    })
  }
  return seed
}

function* checkedWhenDrawn(seeds: Iterable<number>, check: (seed: number) => number): Iterable<number> {
  for (const seed of seeds) yield check(seed)
}

/**
 * How the parameters of an effect are chosen: its defaults, a uniform draw from their ranges that depends on nothing
 * but the seed, the effect and the parameter's name, or fixed values over the defaults.
 *
 * @throws FxError `invalid-argument` for a fixed value outside its range or of no parameter.
 */
export const parameterResolver = (
  effect: EffectSpec,
  parameters: NonNullable<PairRequest['parameters']>,
): ((seed: number) => Record<string, number>) => {
  if (parameters === 'sampled') {
    return seed =>
      Object.fromEntries(
        Object.entries(effect.parameters).map(([name, { min, max }]) => [
          name,
          min + (max - min) * seededRandom(seed, effect.id, name).uniform(),
        ]),
      )
  }
  if (typeof parameters === 'string' && parameters !== 'default') {
    throw new FxError(
      'invalid-argument',
      `parameters is '${parameters}'; it must be 'default', 'sampled' or an object of values`,
    )
  }
  const fixed = { ...defaultParameters(effect), ...(parameters === 'default' ? {} : parameters) }
  for (const [name, value] of Object.entries(fixed)) {
    const range = Object.hasOwn(effect.parameters, name) ? effect.parameters[name] : undefined
    if (!range) {
      throw new FxError(
        'invalid-argument',
        `The effect '${effect.id}' has no parameter '${name}'; it has ${listed(Object.keys(effect.parameters))}`,
        { details: { parameter: name } },
      )
    }
    if (!(typeof value === 'number' && value >= range.min && value <= range.max)) {
      throw new FxError(
        'invalid-argument',
        `The parameter '${name}' of '${effect.id}' is ${value}; it must lie between ${range.min} and ${range.max}`,
        { details: { parameter: name, value, min: range.min, max: range.max } },
      )
    }
  }
  return () => ({ ...fixed })
}
