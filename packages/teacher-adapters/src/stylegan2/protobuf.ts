import { concatenated } from '../bytes.js'

const utf8 = new TextEncoder()

/** One message in the protobuf wire format: fields are written one after the other, by number. */
export interface Message {
  /** A whole number, a boolean or a member of an enumeration. */
  integer(field: number, value: number): Message
  float(field: number, value: number): Message
  text(field: number, value: string): Message
  bytes(field: number, value: Uint8Array): Message
  message(field: number, value: Message): Message
  finish(): Uint8Array
}

const VARINT = 0
const LENGTH_DELIMITED = 2
const FIXED_32 = 5

/** https://protobuf.dev/programming-guides/encoding/; negative numbers take ten bytes, as there. */
const varint = (value: number): Uint8Array => {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  bytes.push(Number(rest))
  return Uint8Array.from(bytes)
}

/** An empty message. */
export const message = (): Message => {
  const parts: Uint8Array[] = []
  const field = (number: number, type: number, ...content: Uint8Array[]): Message => {
    parts.push(varint(number * 8 + type), ...content)
    return self
  }
  const self: Message = {
    integer: (number, value) => field(number, VARINT, varint(value)),
    float: (number, value) => {
      const four = new Uint8Array(4)
      new DataView(four.buffer).setFloat32(0, value, true)
      return field(number, FIXED_32, four)
    },
    bytes: (number, value) => field(number, LENGTH_DELIMITED, varint(value.length), value),
    text: (number, value) => self.bytes(number, utf8.encode(value)),
    message: (number, value) => self.bytes(number, value.finish()),
    finish: () => concatenated(parts),
  }
  return self
}
