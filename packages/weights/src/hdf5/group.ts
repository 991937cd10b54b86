import { corrupt, unsupported } from '../errors.js'
import type { ByteSource } from '../source.js'
import { type Block, readBlock } from './block.js'
import { isDense, Message, readLink } from './messages.js'
import type { HeaderMessage } from './object.js'

type Members = [name: string, address: number][]

/** Nodes of one group's tree: it is shallow, and a node of it has tens of members. */
const maxNodes = 10_000
const maxName = 4096

/** The members of a group, of HDF5's old form (a tree of symbols) or its new one (links in the header). */
export const readMembers = async (source: ByteSource, messages: readonly HeaderMessage[]): Promise<Members> => {
  const members: Members = []
  for (const { type, body } of messages) {
    if (type === Message.linkInfo && isDense(body, 'links'))
      throw unsupported(source, 'its HDF5 keeps the members of a group in a heap; write it with h5py without libver')
    if (type === Message.link) {
      const [name, address] = readLink(body)
      if (address === undefined) throw unsupported(source, `its HDF5 '${name}' is a link to somewhere else`)
      members.push([name, address])
    }
    if (type === Message.symbolTable) members.push(...(await readSymbols(source, body.number(8), body.number(8))))
  }
  return members
}

const readSymbols = async (source: ByteSource, tree: number, heap: number): Promise<Members> => {
  const names = await readNames(source, heap)
  const members: Members = []
  const nodes = [tree]
  for (let count = 0; nodes.length > 0; count++) {
    if (count >= maxNodes) throw corrupt(source, 'a group of its HDF5 structure has no end')
    const address = nodes.shift()!
    const node = await readBlock(source, address, 8)
    const letters = String.fromCharCode(...node.take(4))
    if (letters === 'SNOD') {
      node.skip(2)
      const symbols = await readBlock(source, address + 8, 40 * node.number(2))
      while (symbols.left > 0) members.push(readSymbol(symbols, names))
    } else if (letters === 'TREE' && node.number(1) === 0) {
      node.skip(1)
      const used = node.number(2)
      const children = await readBlock(source, address + 24, 16 * used)
      for (let child = 0; child < used; child++) {
        children.skip(8)
        nodes.push(children.number(8))
      }
    } else throw corrupt(source, "a group of its HDF5 structure has no 'TREE' or 'SNOD' where one must be")
  }
  return members
}

const readNames = async (source: ByteSource, address: number): Promise<Uint8Array> => {
  const heap = await readBlock(source, address, 32)
  heap.signature('HEAP')
  heap.skip(4)
  const size = heap.number(8)
  heap.skip(8)
  const names = await readBlock(source, heap.number(8), size)
  return names.take(size)
}

const readSymbol = (symbols: Block, names: Uint8Array): [string, number] => {
  const offset = symbols.number(8)
  const address = symbols.number(8)
  const kind = symbols.number(4)
  symbols.skip(20)
  const bytes = names.subarray(offset, offset + maxName)
  const end = bytes.indexOf(0)
  if (end < 0) throw corrupt(symbols.source, 'a name of its HDF5 structure is not in its heap')
  const name = new TextDecoder().decode(bytes.subarray(0, end))
  if (kind === 2) throw unsupported(symbols.source, `its HDF5 '${name}' is a link to somewhere else`)
  return [name, address]
}
