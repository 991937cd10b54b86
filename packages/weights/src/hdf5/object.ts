import { corrupt, unsupported } from '../errors.js'
import type { ByteSource } from '../source.js'
import { type Block, readBlock } from './block.js'
import { Message } from './messages.js'

export interface HeaderMessage {
  type: number
  body: Block
}

/** An object has a dozen messages; its attributes are among them. */
const maxMessages = 4096
const maxContinuations = 64

/** The messages of an object: a group's members or a dataset's type, shape and place, and attributes. */
export const readObject = async (source: ByteSource, address: number): Promise<HeaderMessage[]> => {
  const begin = await readBlock(source, address, 16)
  const messages: HeaderMessage[] = []
  const pending: { address: number; length: number }[] = []
  const add = (type: number, flags: number, body: Block): void => {
    if (type === Message.continuation) pending.push({ address: body.number(8), length: body.number(8) })
    else if (messages.length >= maxMessages)
      throw unsupported(source, `an object of its HDF5 structure has more than ${maxMessages} messages`)
    else if (flags & 2 && type !== Message.attribute)
      throw unsupported(source, 'its HDF5 structure shares messages between objects')
    else messages.push({ type, body })
  }
  const continued = async (read: (block: Block) => void, start: number, end: number, letters: string) => {
    for (let count = 0; pending.length > 0; count++) {
      if (count >= maxContinuations) throw corrupt(source, 'an object of its HDF5 structure has no end')
      const { address, length } = pending.shift()!
      const block = await readBlock(source, address, length)
      if (length < start + end) throw corrupt(source, 'an object of its HDF5 structure has an empty part')
      block.signature(letters)
      read(block.block(block.left - end))
    }
  }

  const version = begin.number(1)
  if (version === 1) {
    begin.skip(7)
    const size = begin.number(4)
    const read = (block: Block): void => {
      while (block.left >= 8) {
        const [type, length, flags] = [block.number(2), block.number(2), block.number(1)]
        block.skip(3)
        add(type, flags, block.block(length))
      }
    }
    read(await readBlock(source, address + 16, size))
    await continued(read, 0, 0, '')
    return messages
  }

  if (version !== 'O'.charCodeAt(0)) throw corrupt(source, `an object of its HDF5 structure has version ${version}`)
  begin.signature('HDR')
  if (begin.number(1) !== 2)
    throw unsupported(source, 'an object of its HDF5 structure has a version other than 1 and 2')
  const flags = begin.number(1)
  const optional = (flags & 32 ? 16 : 0) + (flags & 16 ? 4 : 0)
  const width = ([1, 2, 4, 8] as const)[(flags & 3) as 0 | 1 | 2 | 3]
  const header = await readBlock(source, address + 6, optional + width)
  header.skip(optional)
  const size = header.number(width)
  const read = (block: Block): void => {
    const fixed = flags & 4 ? 6 : 4
    while (block.left >= fixed) {
      const [type, length, messageFlags] = [block.number(1), block.number(2), block.number(1)]
      block.skip(fixed - 4)
      add(type, messageFlags, block.block(length))
    }
  }
  read(await readBlock(source, address + 6 + optional + width, size))
  await continued(read, 4, 4, 'OCHK')
  return messages
}
