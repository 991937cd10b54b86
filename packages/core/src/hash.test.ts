import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { canonicalJson, hashJson, sha256Hex } from './hash.js'

test('sha256 agrees with the platform', () => {
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => (i * 37) & 255)
  expect(sha256Hex(bytes)).toBe(createHash('sha256').update(bytes).digest('hex'))
  expect(sha256Hex('größe')).toBe(createHash('sha256').update('größe').digest('hex'))
})

test('canonical JSON does not depend on key order, and drops undefined', () => {
  expect(canonicalJson({ b: [1, { d: null, c: 'x' }], a: undefined })).toBe('{"b":[1,{"c":"x","d":null}]}')
  expect(hashJson({ a: 1, b: 2 })).toBe(hashJson({ b: 2, a: 1 }))
  expect(hashJson({ a: 1 })).not.toBe(hashJson({ a: 2 }))
})

test('values that JSON cannot hold are refused', () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, () => 1, 1n]) {
    expect(() => canonicalJson({ value })).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
  }
})
