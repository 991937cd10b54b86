import { expect, test } from 'vitest'
import { integerIn, numberIn, oneOf, recordOf, shown } from './checks.js'

test('good values pass unchanged', () => {
  const record = { a: 1, b: 2 }
  expect(oneOf('head', 'direct', ['direct', 'residual'])).toBe('direct')
  expect(numberIn('width', 0.5, 0.05, 4)).toBe(0.5)
  expect(integerIn('blocks', 0, 0, 16)).toBe(0)
  expect(recordOf('a spec', record, ['a', 'b'])).toBe(record)
})

test.each([
  [() => oneOf('head', 'x', ['direct', 'residual']), /head is "x"; it must be 'direct' or 'residual'/],
  [() => numberIn('width', Number.NaN, 0.05, 4), /width is NaN; it must be a number from 0.05 to 4/],
  [() => numberIn('width', '1', 0.05, 4), /width is "1"/],
  [() => integerIn('blocks', 1.5, 0, 16), /blocks is 1.5; it must be a whole number from 0 to 16/],
  [() => recordOf('a spec', [1], ['a']), /a spec must be an object, not \[1\]/],
  [() => recordOf('a spec', { a: 1, c: 2 }, ['a', 'b']), /a spec has no member 'c'; its members are 'a' or 'b'/],
  [() => recordOf('a spec', { a: 1 }, ['a', 'b']), /a spec lacks the member 'b'/],
])('a bad value is named, and what is allowed: %#', (check, message) => {
  expect(check).toThrow(message)
  expect(check).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
})

test('anything can be shown', () => {
  expect([undefined, null, 'a', [1, 2], {}].map(shown)).toEqual([
    'undefined',
    'null',
    '"a"',
    '[1, 2]',
    '[object Object]',
  ])
})
