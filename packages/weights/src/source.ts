import { truncated } from './errors.js'

/**
 * Bytes with random access: a file, a buffer, an address on the web. A checkpoint reads the parts that it needs, so a
 * file of 360 MB is never held as a whole.
 */
export interface ByteSource {
  /** Bytes in all. */
  readonly size: number
  /** What error messages call it: a path or an address. */
  readonly name?: string
  /**
   * Exactly `length` bytes from `offset`, in memory of their own: the caller may keep and change them.
   *
   * @throws FxError `corrupt-file` (`details.truncated`) when the range is not inside the source.
   */
  read(offset: number, length: number): Promise<Uint8Array>
  /** Lets go of the file handle, where there is one. */
  close?(): Promise<void>
}

/**
 * Throws unless `[offset, offset + length)` lies inside the source: the check with which every `read` begins.
 *
 * @throws FxError `corrupt-file` with `details.truncated`.
 */
export const checkRange = (source: Pick<ByteSource, 'size' | 'name'>, offset: number, length: number): void => {
  if (Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0) {
    if (offset + length <= source.size) return
  }
  throw truncated(source, `bytes ${offset} to ${offset + length} are wanted, and it has ${source.size}`, {
    offset,
    length,
    size: source.size,
  })
}

/** A source over bytes in memory, which are shared, not copied; what `read` returns is a copy. */
export const bytesSource = (data: Uint8Array, name?: string): ByteSource => {
  // A Node Buffer's `slice` shares memory; a plain Uint8Array's does not.
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  const source: ByteSource = {
    size: bytes.byteLength,
    ...(name === undefined ? {} : { name }),
    read: async (offset, length) => {
      checkRange(source, offset, length)
      return bytes.slice(offset, offset + length)
    },
  }
  return source
}

/** `size` bytes of a source from `offset`, as a source; the whole one is still its owner's to close. */
export const partOf = (whole: ByteSource, offset: number, size: number): ByteSource => {
  checkRange(whole, offset, size)
  const source: ByteSource = {
    size,
    ...(whole.name === undefined ? {} : { name: whole.name }),
    read: async (at, length) => {
      checkRange(source, at, length)
      return whole.read(offset + at, length)
    },
  }
  return source
}

/** Sources one behind the other, as one; they are still their owner's to close. */
export const joinedSource = (parts: readonly ByteSource[], name?: string): ByteSource => {
  const source: ByteSource = {
    size: parts.reduce((sum, part) => sum + part.size, 0),
    ...(name === undefined ? {} : { name }),
    read: async (offset, length) => {
      checkRange(source, offset, length)
      const bytes = new Uint8Array(length)
      let begin = 0
      for (const part of parts) {
        const from = Math.max(offset, begin)
        const to = Math.min(offset + length, begin + part.size)
        if (from < to) bytes.set(await part.read(from - begin, to - from), from - offset)
        begin += part.size
      }
      return bytes
    },
  }
  return source
}
