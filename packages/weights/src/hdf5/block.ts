import { corrupt } from '../errors.js'
import type { ByteSource } from '../source.js'

/** HDF5's mark for an address that leads nowhere. */
const nowhere = 0xffffffffffffffffn

/** Bytes of a file, read from front to back; little-endian, offsets and lengths of 8 bytes. */
export class Block {
  private readonly view: DataView
  private at = 0

  constructor(
    readonly source: ByteSource,
    private readonly bytes: Uint8Array,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get left(): number {
    return this.bytes.length - this.at
  }

  /** The next bytes, shared. */
  take(length: number): Uint8Array {
    if (length > this.left)
      throw corrupt(this.source, `a part of its HDF5 structure is ${length - this.left} bytes short`)
    this.at += length
    return this.bytes.subarray(this.at - length, this.at)
  }

  skip(length: number): void {
    this.take(length)
  }

  /** An unsigned number of `bytes` bytes; HDF5's numbers beyond 2^53 are addresses that no file has. */
  number(bytes: 1 | 2 | 4 | 8): number {
    const at = this.at
    this.skip(bytes)
    if (bytes === 1) return this.view.getUint8(at)
    if (bytes === 2) return this.view.getUint16(at, true)
    if (bytes === 4) return this.view.getUint32(at, true)
    return Number(this.view.getBigUint64(at, true))
  }

  /** Undefined for an address that leads nowhere. */
  address(): number | undefined {
    const at = this.at
    this.skip(8)
    const value = this.view.getBigUint64(at, true)
    return value === nowhere ? undefined : Number(value)
  }

  block(length: number): Block {
    return new Block(this.source, this.take(length))
  }

  /** Text up to its first zero. */
  text(length: number): string {
    const bytes = this.take(length)
    const end = bytes.indexOf(0)
    return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end))
  }

  /** Throws unless the next bytes are these letters. */
  signature(letters: string): void {
    const found = String.fromCharCode(...this.take(letters.length))
    if (found !== letters) throw corrupt(this.source, `its HDF5 structure has no '${letters}' where one must be`)
  }
}

/** The most that one part of the structure may take: Keras's largest, the layers' names, have some kilobytes. */
const maxPart = 16 * 2 ** 20

/** Reads a part of the structure of a file. */
export const readBlock = async (source: ByteSource, address: number, length: number): Promise<Block> => {
  if (length > maxPart) throw corrupt(source, `a part of its HDF5 structure claims ${length} bytes`)
  if (!Number.isSafeInteger(address)) throw corrupt(source, 'its HDF5 structure leads out of the file')
  return new Block(source, await source.read(address, length))
}
