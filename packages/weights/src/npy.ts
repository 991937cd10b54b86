import { type Dtype, dtypeBytes } from './dtype.js'
import { corrupt, truncated, unsupported } from './errors.js'
import type { ByteSource } from './source.js'
import { elementCount, rowMajorStrides, stridedTensor } from './tensor.js'
import { type Contents, nullRecord } from './walk.js'

export const NPY_MAGIC = '\x93NUMPY'

/** NumPy's own limit for headers that may be trusted. */
const maxHeader = 10_000

const descriptors: ReadonlyMap<string, Dtype> = new Map([
  ['<f8', 'float64'],
  ['<f4', 'float32'],
  ['<f2', 'float16'],
  ['<i8', 'int64'],
  ['<i4', 'int32'],
  ['<i2', 'int16'],
  ['|i1', 'int8'],
  ['<u8', 'uint64'],
  ['<u4', 'uint32'],
  ['<u2', 'uint16'],
  ['|u1', 'uint8'],
  ['|b1', 'bool'],
])

/** One member of the header, a Python dict: a text, a truth value or a tuple of integers. */
const member = /\s*'(\w{1,20})'\s*:\s*(?:'([^']{0,100})'|(True|False)|\(([\d\sL,]*)\))\s*(,|(?=\}))/y

/**
 * Reads NumPy's `.npy`, versions 1 to 3: one array, named `array`.
 *
 * @throws FxError `corrupt-file` for a header that does not hold, with `details.truncated` when data are missing;
 * `unsupported` for other versions and element types: big-endian, complex, texts, objects (which would be pickles).
 */
export const readNpy = async (source: ByteSource): Promise<Contents> => {
  const { length, start } = await headerAt(source)
  const bytes = await source.read(start, length)
  const header = parseHeader(source, new TextDecoder().decode(bytes))
  const dtype = descriptors.get(header.descr)
  if (!dtype)
    throw unsupported(source, `its elements are '${header.descr}'; ${[...descriptors.keys()].join(', ')} are read`)
  const { shape, fortran } = header
  const count = elementCount(shape)
  const wanted = count * dtypeBytes[dtype]
  const offset = start + length
  const tensor = stridedTensor({
    source,
    dtype,
    shape,
    strides: fortran ? rowMajorStrides([...shape].reverse()).reverse() : rowMajorStrides(shape),
    offset: 0,
    storageLength: count,
    locate: async () => ({ source, offset }),
  })
  const given = source.size - offset
  if (given < wanted) throw truncated(source, `its array needs ${wanted} bytes, and ${given} are there`)
  if (given > wanted) throw corrupt(source, `${given - wanted} bytes follow its array`)
  return { tensors: new Map([['array', tensor]]), modules: new Map(), metadata: nullRecord() }
}

const headerAt = async (source: ByteSource): Promise<{ length: number; start: number }> => {
  const head = await source.read(0, 12)
  const view = new DataView(head.buffer, head.byteOffset)
  const version = view.getUint8(6)
  if (version < 1 || version > 3) throw unsupported(source, `it is of .npy version ${version}; 1 to 3 are read`)
  const [length, start] = version === 1 ? [view.getUint16(8, true), 10] : [view.getUint32(8, true), 12]
  if (length > maxHeader) throw corrupt(source, `its header claims ${length} bytes; ${maxHeader} are the most allowed`)
  if (start + length > source.size)
    throw truncated(source, `its header needs ${length} bytes, and ${source.size - start} are left`)
  return { length, start }
}

const parseHeader = (source: ByteSource, text: string): { descr: string; fortran: boolean; shape: number[] } => {
  const broken = (): Error => corrupt(source, `its header is no array's: ${JSON.stringify(text.slice(0, 120))}`)
  const members = new Map<string, { text?: string; truth?: string; tuple?: string }>()
  if (!text.startsWith('{')) throw broken()
  let at = 1
  for (;;) {
    member.lastIndex = at
    const match = member.exec(text)
    if (!match) break
    const [, name, value, truth, tuple] = match
    if (members.has(name!)) throw broken()
    members.set(name!, {
      ...(value !== undefined && { text: value }),
      ...(truth !== undefined && { truth }),
      ...(tuple !== undefined && { tuple }),
    })
    at = member.lastIndex
  }
  const { text: descr } = members.get('descr') ?? {}
  const { truth } = members.get('fortran_order') ?? {}
  const { tuple } = members.get('shape') ?? {}
  const closed = /^\s*\}\s*$/.test(text.slice(at))
  // A list in place of the text is the type of a record.
  if (/'descr'\s*:\s*\[/.test(text)) throw unsupported(source, 'its elements are records')
  if (!closed || members.size !== 3 || descr === undefined || truth === undefined || tuple === undefined) throw broken()
  const shape = sizes(tuple)
  if (!shape) throw broken()
  return { descr, fortran: truth === 'True', shape }
}

/** `77, 4096` or `7,`; undefined for what is no tuple. */
const sizes = (tuple: string): number[] | undefined => {
  const items = tuple.split(',').map(item => item.trim())
  // One item is a tuple by its comma, and every tuple may end in one.
  if (items.length === 1 && items[0] !== '') return undefined
  if (items.at(-1) === '') items.pop()
  const values = items.map(item => (/^\d{1,16}L?$/.test(item) ? Number.parseInt(item, 10) : Number.NaN))
  return values.every(Number.isSafeInteger) ? values : undefined
}
