import { dtypeBytes } from '../dtype.js'
import { corrupt, truncated, unsupported } from '../errors.js'
import type { ByteSource } from '../source.js'
import { elementCount, rowMajorStrides, stridedTensor, type WeightTensor } from '../tensor.js'
import { type Block, readBlock } from './block.js'
import { readMembers } from './group.js'
import { type Attribute, isDense, Message, readAttribute, readDataspace, readDatatype, readLayout } from './messages.js'
import { type HeaderMessage, readObject } from './object.js'

export const HDF5_MAGIC = '\x89HDF\r\n\x1a\n'

/** A group or a dataset of a file. */
export interface Hdf5Object {
  /** Names from the root, joined with `/`; the root is empty. */
  path: string
  attributes: ReadonlyMap<string, Attribute>
  /** Of a dataset only. */
  tensor?: WeightTensor
}

const maxObjects = 100_000
const maxDepth = 32
const maxName = 4096

/** Where the root group's header is, by a superblock of any version. */
const readSuperblock = async (source: ByteSource): Promise<number> => {
  const start = await readBlock(source, 0, 48)
  start.signature(HDF5_MAGIC)
  const version = start.number(1)
  if (version > 3) throw unsupported(source, `its HDF5 has version ${version} of the superblock; 0 to 3 are read`)
  const old = version < 2
  start.skip(old ? 4 : 0)
  const [offsets, lengths] = [start.number(1), start.number(1)]
  if (offsets !== 8 || lengths !== 8)
    throw unsupported(source, `its HDF5 has addresses of ${offsets} and lengths of ${lengths} bytes; 8 and 8 are read`)
  start.skip(old ? (version === 0 ? 9 : 13) : 1)
  const base = start.number(8)
  start.skip(8)
  const rest = old && version === 1 ? await readBlock(source, 44, 8) : start
  const end = rest.number(8)
  if (base !== 0) throw unsupported(source, 'its HDF5 begins somewhere inside of the file')
  if (end > source.size)
    throw truncated(source, `its HDF5 structure tells of ${end} bytes, and it has ${source.size}`, {
      size: source.size,
    })
  if (!old) return start.number(8)
  const root = await readBlock(source, version === 0 ? 64 : 68, 8)
  return root.number(8)
}

/**
 * The source for reading the structure, with a limit on all of it: parts may overlap, and a small file could have many
 * large ones. A sound structure is read about once, some hundred bytes at a time.
 */
const limited = (source: ByteSource): ByteSource => {
  let left = 2 * source.size + 64 * 2 ** 20
  return {
    size: source.size,
    ...(source.name === undefined ? {} : { name: source.name }),
    read: (offset, length) => {
      left -= Math.max(length, 64)
      if (left < 0) throw unsupported(source, 'its HDF5 structure refers to the same parts too often')
      return source.read(offset, length)
    },
  }
}

/** Groups and datasets from the root down, each group before its members. */
export const readHdf5 = async (data: ByteSource): Promise<Hdf5Object[]> => {
  const source = limited(data)
  const objects: Hdf5Object[] = []
  const seen = new Set<number>()
  const visit = async (path: string, address: number, depth: number): Promise<void> => {
    if (depth > maxDepth) throw unsupported(source, `its HDF5 groups nest deeper than ${maxDepth}`)
    if (path.length > maxName)
      throw unsupported(source, `its HDF5 has a path of ${path.length} letters; ${maxName} are read`)
    if (seen.has(address)) throw corrupt(source, `its HDF5 '${path}' is in two places, or inside itself`)
    seen.add(address)
    if (seen.size > maxObjects) throw unsupported(source, `its HDF5 has more than ${maxObjects} objects`)
    const messages = await readObject(source, address)
    const object: Hdf5Object = { path, attributes: readAttributes(source, messages) }
    objects.push(object)
    if (messages.some(({ type }) => type === Message.layout)) {
      object.tensor = readDataset(data, path, messages)
      return
    }
    for (const [name, member] of await readMembers(source, messages)) {
      await visit(path === '' ? name : `${path}/${name}`, member, depth + 1)
    }
  }
  await visit('', await readSuperblock(source), 0)
  return objects
}

const readAttributes = (source: ByteSource, messages: readonly HeaderMessage[]): Map<string, Attribute> => {
  const attributes = new Map<string, Attribute>()
  for (const { type, body } of messages) {
    if (type === Message.attributeInfo && isDense(body, 'attributes'))
      throw unsupported(source, 'its HDF5 keeps attributes in a heap; Keras does not')
    if (type !== Message.attribute) continue
    const attribute = readAttribute(body)
    attributes.set(attribute.name, attribute)
  }
  return attributes
}

const readDataset = (source: ByteSource, path: string, messages: readonly HeaderMessage[]): WeightTensor => {
  const body = (type: number): Block => {
    const message = messages.find(one => one.type === type)
    if (!message) throw corrupt(source, `its HDF5 dataset '${path}' lacks its type, shape or place`)
    return message.body
  }
  if (messages.some(({ type }) => type === Message.filters))
    throw unsupported(source, `its HDF5 dataset '${path}' is compressed; Keras does not compress`)
  const shape = readDataspace(body(Message.dataspace))
  const element = readDatatype(body(Message.datatype))
  if (element.kind !== 'number')
    throw unsupported(
      source,
      `its HDF5 dataset '${path}' has ${element.kind === 'other' ? element.what : 'text'}; little-endian numbers are read`,
    )
  const { dtype } = element
  const { address, length } = readLayout(body(Message.layout), path)
  const count = elementCount(shape)
  if (!Number.isSafeInteger(count) || length !== count * dtypeBytes[dtype])
    throw corrupt(source, `its HDF5 dataset '${path}' of ${dtype} and shape [${shape}] has ${length} bytes`)
  if (count > 0 && (address === undefined || address + length > source.size))
    throw corrupt(source, `the data of its HDF5 dataset '${path}' are not in the file`)
  return stridedTensor({
    source,
    dtype,
    shape,
    strides: rowMajorStrides(shape),
    offset: 0,
    storageLength: count,
    locate: async () => ({ source, offset: address ?? 0 }),
  })
}
