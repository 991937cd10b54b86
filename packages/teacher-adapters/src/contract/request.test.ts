import { expect, test } from 'vitest'
import { type EffectSpec, parameterResolver, validatePairRequest } from '../index.js'

const effect: EffectSpec = {
  id: 'hair-colour',
  prompt: 'pink hair',
  parameters: { strength: { min: 0.25, max: 0.75, default: 0.5 }, hue: { min: 0, max: 360, default: 330 } },
}
const adapter = {
  id: 'test',
  capabilities: {
    deterministic: true,
    pairCount: 10,
    size: { min: 16, max: 64 },
    effects: ['hair-colour', 'glasses'],
    parameters: ['strength', 'hue'],
  },
} as const

test('parameters are the defaults, a draw by seed, or fixed values over the defaults', () => {
  expect(parameterResolver(effect, 'default')(3)).toEqual({ strength: 0.5, hue: 330 })
  expect(parameterResolver(effect, { hue: 0 })(3)).toEqual({ strength: 0.5, hue: 0 })
  const sampled = parameterResolver(effect, 'sampled')
  expect(sampled(3)).toEqual(sampled(3))
  expect(sampled(3)).not.toEqual(sampled(4))
  const strengths = Array.from({ length: 500 }, (_, seed) => sampled(seed).strength!)
  expect(Math.min(...strengths)).toBeGreaterThanOrEqual(0.25)
  expect(Math.max(...strengths)).toBeLessThanOrEqual(0.75)
  expect(strengths.reduce((a, b) => a + b) / 500).toBeCloseTo(0.5, 1)
  // A draw depends on its own name alone, so a parameter more leaves the others as they were.
  const { hue: _, ...fewer } = effect.parameters
  expect(parameterResolver({ ...effect, parameters: fewer }, 'sampled')(3).strength).toBe(sampled(3).strength)
})

test.each([
  ['out of range', { strength: 0.8 }, /strength.*0\.8.*0\.25 and 0\.75/],
  ['not a number', { strength: Number.NaN }, /NaN/],
  ['a text', { strength: '0.5' } as never, /'strength'.*is 0\.5/],
  ['of no parameter', { age: 1 }, /'age'.*'strength' or 'hue'/],
  ['of a name that objects inherit', { constructor: 1 } as never, /'constructor'/],
])('a fixed value %s is refused', (_, parameters, message) => {
  expect(() => parameterResolver(effect, parameters)).toThrow(
    expect.objectContaining({ code: 'invalid-argument', message: expect.stringMatching(message) }),
  )
})

test('the last seed is the last pair', () => {
  const ask = (seeds: Iterable<number>) => [...validatePairRequest(adapter, { effect, size: 16, seeds }).seeds]
  expect(ask([9, 0])).toEqual([9, 0])
  expect(() => ask([10])).toThrow(/no seed 10.*0 to 9/)
  expect(() => ask(new Set([10]))).toThrow(/no seed 10/)
})

test.each([
  ['size', { size: 65 }, /65.*16 to 64/],
  ['effect', { effect: { ...effect, id: 'No Id' } }, /kebab-case/],
  ['seed', { seeds: [3, 0.5] }, /no seed 0\.5.*0 to 9/],
  ['list of seeds', { seeds: 5 }, /seeds is 5; it must be an array or another iterable/],
  ['choice of parameters', { parameters: 'random' }, /'random'.*'sampled'/],
  ['parameter', { effect: { ...effect, parameters: { age: { min: 0, max: 1, default: 0 } } } }, /'age'.*'strength' or/],
])('a bad %s is refused, and the allowed values are named', (_, request: object, message) => {
  const ask = () => validatePairRequest(adapter, { effect, size: 16, seeds: [], ...request })
  expect(ask).toThrow(expect.objectContaining({ code: 'invalid-argument', message: expect.stringMatching(message) }))
})

test('an unknown effect is refused with the known ones, an aborted request with its reason', () => {
  const ask = (request: object) => () => validatePairRequest(adapter, { effect, size: 16, seeds: [], ...request })
  expect(ask({ effect: { ...effect, id: 'beard' } })).toThrow(
    expect.objectContaining({
      code: 'unknown-effect',
      message: expect.stringMatching(/'beard'.*'hair-colour' or 'glasses'/),
    }),
  )
  const reason = new Error('enough')
  expect(ask({ signal: AbortSignal.abort(reason) })).toThrow(
    expect.objectContaining({ code: 'aborted', cause: reason }),
  )
})
