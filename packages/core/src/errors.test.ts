import { expect, test } from 'vitest'
import { FxError, listed } from './errors.js'

test('an FxError is recognised by its marker, not by its class', () => {
  const error = new FxError('unknown-effect', 'no', { details: { id: 'x' }, cause: new Error('under') })
  const fromAnotherCopy = Object.assign(new Error('no'), {
    code: 'unknown-effect',
    [Symbol.for('@fx/core/FxError')]: true,
  })
  expect(FxError.isInstance(error)).toBe(true)
  expect(FxError.isInstance(fromAnotherCopy, 'unknown-effect')).toBe(true)
  expect(FxError.isInstance(error, 'aborted')).toBe(false)
  expect(FxError.isInstance(new Error('no'))).toBe(false)
  expect(FxError.isInstance(null)).toBe(false)
  expect(error.details).toEqual({ id: 'x' })
  expect((error.cause as Error).message).toBe('under')
})

test('listed names the allowed values', () => {
  expect(listed(['a', 'b', 3])).toBe("'a', 'b' or 3")
  expect(listed(['a'])).toBe("'a'")
  expect(listed([])).toBe('none')
})
