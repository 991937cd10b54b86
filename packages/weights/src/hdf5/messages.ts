import type { Dtype } from '../dtype.js'
import { corrupt, unsupported } from '../errors.js'
import { type Block, readBlock } from './block.js'

/** The types of the messages of an object header that are read. */
export const Message = {
  dataspace: 0x01,
  linkInfo: 0x02,
  datatype: 0x03,
  link: 0x06,
  layout: 0x08,
  filters: 0x0b,
  attribute: 0x0c,
  continuation: 0x10,
  symbolTable: 0x11,
  attributeInfo: 0x15,
} as const

const maxRank = 32

/** Sizes of the axes; a scalar has none. */
export const readDataspace = (message: Block): number[] => {
  const version = message.number(1)
  const rank = message.number(1)
  if ((version !== 1 && version !== 2) || rank > maxRank)
    throw corrupt(message.source, `a dataspace has version ${version} and ${rank} axes`)
  message.skip(version === 1 ? 6 : 2)
  return Array.from({ length: rank }, () => message.number(8))
}

/** The type of the elements: a number, text of a fixed length, text elsewhere in the file, or another. */
export type ElementType =
  | { kind: 'number'; dtype: Dtype }
  | { kind: 'text'; length: number }
  | { kind: 'text elsewhere' }
  | { kind: 'other'; what: string }

const floats: Readonly<Record<number, Dtype>> = { 2: 'float16', 4: 'float32', 8: 'float64' }
const integers: Readonly<Record<number, [Dtype, Dtype]>> = {
  1: ['uint8', 'int8'],
  2: ['uint16', 'int16'],
  4: ['uint32', 'int32'],
  8: ['uint64', 'int64'],
}
/** Exponent's place and size, mantissa's place and size, in bits, and the bias of IEEE 754's numbers. */
const ieee: Readonly<Record<number, string>> = {
  2: '10,5,0,10,15',
  4: '23,8,0,23,127',
  8: '52,11,0,52,1023',
}

export const readDatatype = (message: Block): ElementType => {
  const first = message.number(1)
  const flags = message.number(1)
  message.skip(2)
  const size = message.number(4)
  const other = (what: string): ElementType => ({ kind: 'other', what })
  switch (first & 15) {
    case 0: {
      const dtype = integers[size]?.[flags & 8 ? 1 : 0]
      const whole = message.number(2) === 0 && message.number(2) === 8 * size
      if (flags & 1) return other('big-endian numbers')
      return dtype && whole ? { kind: 'number', dtype } : other(`integers of ${size} bytes`)
    }
    case 1: {
      const dtype = floats[size]
      message.skip(4)
      const layout = [message.number(1), message.number(1), message.number(1), message.number(1), message.number(4)]
      if (flags & 0x41) return other('big-endian numbers')
      return dtype && String(layout) === ieee[size] ? { kind: 'number', dtype } : other(`floats of ${size} bytes`)
    }
    case 3:
      return { kind: 'text', length: size }
    case 9:
      return (flags & 15) === 1 ? { kind: 'text elsewhere' } : other('lists')
    default:
      return other(`elements of HDF5's class ${first & 15}`)
  }
}

/** Where a dataset's bytes lie. */
export interface Place {
  /** Undefined when nothing was ever written. */
  address: number | undefined
  length: number
}

/** Contiguous data only: Keras writes no other. */
export const readLayout = (message: Block, name: string): Place => {
  const version = message.number(1)
  const kind = message.number(1)
  if (version !== 3 && version !== 4)
    throw unsupported(message.source, `its dataset '${name}' has a layout of version ${version}; 3 and 4 are read`)
  if (kind !== 1)
    throw unsupported(
      message.source,
      `its dataset '${name}' is ${kind === 0 ? 'compact' : 'chunked or compressed'}; Keras writes contiguous ones`,
    )
  return { address: message.address(), length: message.number(8) }
}

export interface Attribute {
  name: string
  /** Its text, when it is one piece of text of at most a megabyte. */
  text(): Promise<string | undefined>
}

const maxText = 2 ** 20
const padded = (length: number, version: number): number => (version === 1 ? Math.ceil(length / 8) * 8 : length)

export const readAttribute = (message: Block): Attribute => {
  const version = message.number(1)
  const flags = message.number(1)
  if (version < 1 || version > 3) throw corrupt(message.source, `an attribute has version ${version}`)
  const sizes = [message.number(2), message.number(2), message.number(2)] as const
  if (version === 3) message.skip(1)
  const name = message.block(padded(sizes[0], version)).text(sizes[0])
  const type = message.block(padded(sizes[1], version))
  const space = message.block(padded(sizes[2], version))
  const read = async (): Promise<string | undefined> => {
    if (version > 1 && flags !== 0) return undefined
    const shape = readDataspace(space)
    const element = readDatatype(type)
    if (shape.length > 0) return undefined
    if (element.kind === 'text') return element.length <= message.left ? message.text(element.length) : undefined
    return element.kind === 'text elsewhere' ? readGlobal(message) : undefined
  }
  let text: Promise<string | undefined> | undefined
  return {
    name,
    text: () => {
      text ??= read()
      return text
    },
  }
}

/** Text in one of the file's heaps: its length, the heap's address, its number there. */
const readGlobal = async (reference: Block): Promise<string | undefined> => {
  const { source } = reference
  const length = reference.number(4)
  const address = reference.address()
  const wanted = reference.number(4)
  if (length > maxText || address === undefined) return undefined
  const heap = await readBlock(source, address, 16)
  heap.signature('GCOL')
  heap.skip(4)
  const size = heap.number(8)
  const objects = await readBlock(source, address + 16, Math.min(size - 16, source.size - address - 16))
  while (objects.left >= 16) {
    const index = objects.number(2)
    objects.skip(6)
    const bytes = objects.number(8)
    if (index === 0) break
    const object = objects.block(Math.min(Math.ceil(bytes / 8) * 8, objects.left))
    if (index === wanted) return length <= object.left ? object.text(length) : undefined
  }
  throw corrupt(source, 'a text of its HDF5 structure is not in its heap')
}

/** A link of a group: its name, and where its object is (undefined for links to other places). */
export const readLink = (message: Block): [name: string, address: number | undefined] => {
  message.skip(1)
  const flags = message.number(1)
  const kind = flags & 8 ? message.number(1) : 0
  if (flags & 4) message.skip(8)
  if (flags & 16) message.skip(1)
  const bytes = ([1, 2, 4, 8] as const)[(flags & 3) as 0 | 1 | 2 | 3]
  const name = message.text(message.number(bytes))
  return [name, kind === 0 ? message.address() : undefined]
}

/** True when a group's links, or an object's attributes, lie in a heap of their own, as HDF5 writes many of them. */
export const isDense = (message: Block, of: 'links' | 'attributes'): boolean => {
  message.skip(1)
  if (message.number(1) & 1) message.skip(of === 'links' ? 8 : 2)
  return message.address() !== undefined
}
