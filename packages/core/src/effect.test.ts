import { expect, test } from 'vitest'
import { defaultParameters, parseEffectSpec } from './effect.js'

const effect = {
  id: 'hair-colour',
  prompt: 'a person with pink hair',
  parameters: { strength: { min: 0, max: 1, default: 1 } },
}

test('a good spec passes unchanged and yields its defaults', () => {
  expect(parseEffectSpec(effect)).toBe(effect)
  expect(defaultParameters(effect)).toEqual({ strength: 1 })
})

test.each([
  ['id', { ...effect, id: 'Hair Colour' }, /kebab-case/],
  ['range', { ...effect, parameters: { strength: { min: 1, max: 0, default: 1 } } }, /min must not exceed max/],
  ['default', { ...effect, parameters: { strength: { min: 0, max: 1, default: 2 } } }, /default must lie/],
  ['unknown member', { ...effect, teacher: 'x' }, /teacher/],
  ['not an object', 'hair', /effect spec/],
])('a bad %s is named', (_, value, message) => {
  expect(() => parseEffectSpec(value)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
  expect(() => parseEffectSpec(value)).toThrow(message)
})
