import { expect, test } from 'vitest'
import { createParameters } from './parameters.js'

const spec = {
  id: 'test',
  prompt: '',
  parameters: { strength: { min: 0, max: 1, default: 0.5 }, hue: { min: -180, max: 180, default: 0 } },
}

test('values come in the order of the spec, what is set stays, what is given counts once', () => {
  const { set, values } = createParameters(spec, true)
  expect(values()).toEqual([0.5, 0])
  set({ hue: 90 })
  expect(values({ strength: 1 })).toEqual([1, 90])
  expect(values()).toEqual([0.5, 90])
})

test('a wrong name or value changes nothing and is named with what is allowed', () => {
  const { set, values } = createParameters(spec, true)
  const wrong = (given: Record<string, number>, message: RegExp) =>
    expect(() => set(given)).toThrow(
      expect.objectContaining({ code: 'invalid-argument', message: expect.stringMatching(message) }),
    )
  wrong({ power: 1 }, /'power'.*'strength' or 'hue'/)
  wrong({ toString: 1 }, /'toString'/)
  wrong({ hue: 1, strength: 2 }, /2.*0 to 1/)
  wrong({ strength: Number.NaN }, /NaN/)
  expect(values()).toEqual([0.5, 0])
})

test('a student without parameters says so', () => {
  expect(() => createParameters(spec, false).set({ hue: 1 })).toThrow(/takes no parameters, 'hue' is fixed/)
  expect(createParameters(spec, false).values()).toEqual([0.5, 0])
})
