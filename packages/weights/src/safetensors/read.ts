import { type Dtype, dtypeBytes } from '../dtype.js'
import { corrupt, truncated, unsupported } from '../errors.js'
import type { ByteSource } from '../source.js'
import { elementCount, rowMajorStrides, stridedTensor } from '../tensor.js'
import { type Contents, nullRecord, type PlainRecord } from '../walk.js'
import { duplicateKey } from './duplicates.js'

/** The limit of the format's own library. */
const maxHeader = 100_000_000

/** The format's names of element types. */
export const safetensorsDtypes: ReadonlyMap<string, Dtype> = new Map([
  ['F64', 'float64'],
  ['F32', 'float32'],
  ['F16', 'float16'],
  ['BF16', 'bfloat16'],
  ['I64', 'int64'],
  ['I32', 'int32'],
  ['I16', 'int16'],
  ['I8', 'int8'],
  ['U64', 'uint64'],
  ['U32', 'uint32'],
  ['U16', 'uint16'],
  ['U8', 'uint8'],
  ['BOOL', 'bool'],
])

interface Placed {
  readonly name: string
  readonly begin: number
  readonly end: number
}

/**
 * Reads a safetensors header: 64-bit length, JSON, then the data without gaps or overlaps.
 *
 * @throws FxError `corrupt-file` for a header or offsets that do not hold, with `details.truncated` when data are missing;
 * `unsupported` for an unknown element type (named).
 */
export const readSafetensors = async (source: ByteSource): Promise<Contents> => {
  const length = await headerLength(source)
  const dataStart = 8 + length
  const header = parseHeader(source, await source.read(8, length))
  const contents: Contents = { tensors: new Map(), modules: new Map(), metadata: nullRecord() }
  const placed: Placed[] = []
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') contents.metadata = metadataOf(source, entry)
    else placed.push(addEntry(source, contents, name, entry, dataStart))
  }
  checkLayout(source, placed, source.size - dataStart)
  return contents
}

const headerLength = async (source: ByteSource): Promise<number> => {
  const first = await source.read(0, 8)
  const length = Number(new DataView(first.buffer, first.byteOffset).getBigUint64(0, true))
  if (length > maxHeader) throw corrupt(source, `its header claims ${length} bytes; ${maxHeader} are the most allowed`)
  if (8 + length > source.size)
    throw truncated(source, `its header needs ${length} bytes, and ${source.size - 8} are left`, { size: source.size })
  return length
}

const parseHeader = (source: ByteSource, bytes: Uint8Array): Record<string, unknown> => {
  let text: string
  let header: unknown
  let twice: string | undefined
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    header = JSON.parse(text)
    twice = duplicateKey(text)
  } catch (error) {
    throw corrupt(source, `its header is not JSON: ${(error as Error).message.slice(0, 200)}`)
  }
  if (!text.startsWith('{') || !isObject(header)) throw corrupt(source, 'its header is not a JSON object')
  if (twice !== undefined) throw corrupt(source, `its header has '${twice.slice(0, 200)}' twice`)
  return header
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const metadataOf = (source: ByteSource, entry: unknown): PlainRecord => {
  const metadata = nullRecord()
  if (!isObject(entry)) throw corrupt(source, 'its __metadata__ is not a JSON object')
  for (const [key, value] of Object.entries(entry)) {
    if (typeof value !== 'string') throw corrupt(source, `its __metadata__ '${key}' is not a string`)
    metadata[key] = value
  }
  return metadata
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

const addEntry = (source: ByteSource, contents: Contents, name: string, entry: unknown, dataStart: number): Placed => {
  const { dtype: code, shape, data_offsets: offsets } = isObject(entry) ? entry : {}
  if (typeof code !== 'string' || !Array.isArray(shape) || !shape.every(isCount))
    throw corrupt(source, `tensor '${name}' has no sound dtype and shape`)
  const dtype = safetensorsDtypes.get(code)
  if (!dtype)
    throw unsupported(
      source,
      `tensor '${name}' has dtype '${code.slice(0, 40)}'; ${[...safetensorsDtypes.keys()].join(', ')} are read`,
    )
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount))
    throw corrupt(source, `tensor '${name}' has no sound data_offsets`)
  const [begin, end] = offsets as [number, number]
  const bytes = elementCount(shape) * dtypeBytes[dtype]
  if (end - begin !== bytes)
    throw corrupt(source, `tensor '${name}' of ${code} and shape [${shape}] has offsets ${begin} to ${end}`)
  const tensor = stridedTensor({
    source,
    dtype,
    shape,
    strides: rowMajorStrides(shape),
    offset: 0,
    storageLength: elementCount(shape),
    locate: async () => ({ source, offset: dataStart + begin }),
  })
  contents.tensors.set(name, tensor)
  return { name, begin, end }
}

const checkLayout = (source: ByteSource, placed: Placed[], dataBytes: number): void => {
  let last = 0
  for (const { name, begin, end } of placed.sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== last)
      throw corrupt(
        source,
        `tensor '${name}' begins at ${begin}, ${begin < last ? 'inside' : 'beyond the end'} of its neighbour, which ends at ${last}`,
      )
    last = end
  }
  if (last > dataBytes)
    throw truncated(source, `its tensors need ${last} bytes, and ${dataBytes} are there`, { size: source.size })
  if (last < dataBytes) throw corrupt(source, `${dataBytes - last} bytes follow its last tensor`)
}
