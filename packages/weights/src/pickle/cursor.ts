import { truncated } from '../errors.js'
import type { ByteSource } from '../source.js'

/** Reads a range of a source from front to back through a small window, which large byte strings never enter. */
export class ByteCursor {
  private window: Uint8Array = new Uint8Array(0)
  private view = new DataView(this.window.buffer)
  /** The window's place in the source. */
  private begin: number
  /** The next byte's place in the source. */
  position: number

  constructor(
    readonly source: ByteSource,
    start = 0,
    readonly end = source.size,
    private readonly windowBytes = 65536,
  ) {
    this.begin = start
    this.position = start
  }

  /** True when the next `length` bytes are in the window. */
  has(length: number): boolean {
    return this.position + length <= this.begin + this.window.length
  }

  /** Bytes up to the end. */
  get left(): number {
    return this.end - this.position
  }

  /** Brings the next `length` bytes into the window. */
  async fill(length: number, what: string): Promise<void> {
    if (length > this.left)
      throw truncated(
        this.source,
        `${what} needs ${length} bytes at byte ${this.position}, and ${this.left} are left`,
        {
          offset: this.position,
          size: this.source.size,
        },
      )
    this.window = await this.source.read(this.position, Math.min(Math.max(length, this.windowBytes), this.left))
    this.view = new DataView(this.window.buffer, this.window.byteOffset, this.window.byteLength)
    this.begin = this.position
  }

  /** Passes over bytes that need not be read. */
  skip(length: number, what: string): void {
    if (length > this.left)
      throw truncated(this.source, `${what} has ${length} bytes at byte ${this.position}, and ${this.left} are left`, {
        offset: this.position,
        size: this.source.size,
      })
    this.position += length
  }

  /** The next `length` bytes, which are in the window; a view of it. */
  take(length: number): Uint8Array {
    const at = this.position - this.begin
    this.position += length
    return this.window.subarray(at, at + length)
  }

  uint8(): number {
    return this.view.getUint8(this.position++ - this.begin)
  }
  uint16(): number {
    return this.view.getUint16(this.advance(2), true)
  }
  uint32(): number {
    return this.view.getUint32(this.advance(4), true)
  }
  int32(): number {
    return this.view.getInt32(this.advance(4), true)
  }
  /** Rounded to a float64 above 2^53, where no length is sound anyway. */
  uint64(): number {
    return Number(this.view.getBigUint64(this.advance(8), true))
  }
  float64BigEndian(): number {
    return this.view.getFloat64(this.advance(8), false)
  }

  private advance(length: number): number {
    const at = this.position - this.begin
    this.position += length
    return at
  }
}
