import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { FxError } from './errors.js'

/** SHA-256 of bytes or of a string's UTF-8, as 64 lower-case hex digits. Works in Node, browsers and workers. */
export const sha256Hex = (data: Uint8Array | string): string =>
  bytesToHex(sha256(typeof data === 'string' ? utf8ToBytes(data) : data))

/**
 * JSON with sorted keys and no white space: equal values give equal text, whatever the order of their keys.
 * `undefined` members are left out, as `JSON.stringify` does.
 *
 * @throws FxError `invalid-argument` for a value that JSON cannot hold (NaN, Infinity, a function, a bigint).
 */
export const canonicalJson = (value: unknown): string => {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new FxError('invalid-argument', `JSON cannot hold the number ${value}`)
    return JSON.stringify(value)
  }
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value === 'object') {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`)
    return `{${members.join(',')}}`
  }
  throw new FxError('invalid-argument', `JSON cannot hold a ${typeof value}`)
}

/** SHA-256 of a value's canonical JSON: a stable identity for plain data. */
export const hashJson = (value: unknown): string => sha256Hex(canonicalJson(value))
