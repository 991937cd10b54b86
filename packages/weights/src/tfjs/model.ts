import { type Dtype, dtypeBytes } from '../dtype.js'
import { corrupt, truncated, unsupported } from '../errors.js'
import { type ByteSource, bytesSource, joinedSource } from '../source.js'
import { elementCount, loadFloat32, rowMajorStrides, stridedTensor, type WeightTensor } from '../tensor.js'
import { addTensor, type Contents, nullRecord } from '../walk.js'

/** Gives one of the files that a model.json names, `group1-shard1of2.bin`. */
export type ShardOpener = (path: string) => ByteSource | Uint8Array | Promise<ByteSource | Uint8Array>

const maxJson = 64 * 2 ** 20
const maxShards = 10_000

interface Quantisation {
  readonly dtype: 'uint8' | 'uint16' | 'float16'
  readonly scale: number
  readonly min: number
}

interface Entry {
  readonly name: string
  readonly shape: readonly number[]
  readonly dtype: 'float32' | 'int32' | 'bool' | 'uint8' | 'float16'
  readonly quantisation?: Quantisation
}

type Json = Record<string, unknown>
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

/**
 * Reads the weights of a tfjs model, a LayersModel or a GraphModel: `model.json` and its shards. Quantised weights come as
 * what they stand for.
 */
export const readTfjsModel = async (
  source: ByteSource,
  open: ShardOpener | undefined,
): Promise<Contents & { close(): Promise<void> }> => {
  const json = await readJson(source)
  const groups = json.weightsManifest
  if (!Array.isArray(groups) || !groups.every(group => isObject(group) && Array.isArray(group.weights)))
    throw unsupported(source, 'it is JSON, but no tfjs model: it has no weightsManifest')
  const opened: ByteSource[] = []
  const close = async (): Promise<void> => void (await Promise.all(opened.map(shard => shard.close?.())))
  const contents: Contents = { tensors: new Map(), modules: new Map(), metadata: nullRecord() }
  for (const name of ['format', 'generatedBy', 'convertedBy']) {
    const text = json[name]
    if (typeof text === 'string') contents.metadata[name] = text
  }
  try {
    for (const group of groups as Json[]) {
      const entries = (group.weights as unknown[]).map(entry => readEntry(source, entry))
      const shards: ByteSource[] = []
      for (const path of readPaths(source, group.paths)) {
        if (!open) throw unsupported(source, `it is a tfjs model.json, whose weights are in '${path}': give 'shards'`)
        if (opened.length >= maxShards) throw unsupported(source, `it has more than ${maxShards} shards`)
        const shard = await open(path)
        const bytes = shard instanceof Uint8Array ? bytesSource(shard, path) : shard
        opened.push(bytes)
        shards.push(bytes)
      }
      placeEntries(joinedSource(shards, source.name), contents, entries)
    }
  } catch (error) {
    await close()
    throw error
  }
  return { ...contents, close }
}

const readJson = async (source: ByteSource): Promise<Json> => {
  if (source.size > maxJson) throw unsupported(source, `it is JSON of ${source.size} bytes; ${maxJson} are read`)
  const text = new TextDecoder().decode(await source.read(0, source.size))
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    if (!text.trimEnd().endsWith('}') || /end of JSON|Unterminated|Expected ',' or/.test((error as Error).message))
      throw truncated(source, `its JSON breaks off: ${(error as Error).message.slice(0, 200)}`)
    throw corrupt(source, `it is not JSON: ${(error as Error).message.slice(0, 200)}`)
  }
  if (!isObject(json)) throw unsupported(source, 'it is JSON, but no tfjs model')
  return json
}

/** Shards lie beside the model.json or below it: a path that leads elsewhere would read any file of the machine. */
const readPaths = (source: ByteSource, paths: unknown): string[] => {
  if (!Array.isArray(paths)) throw corrupt(source, 'a group of its weights names no files')
  for (const path of paths) {
    if (typeof path !== 'string' || !/^[\w][\w.+@ -]*(\/[\w][\w.+@ -]*)*$/.test(path))
      throw corrupt(source, `it names a file ${JSON.stringify(path)?.slice(0, 200)}; shards lie beside the model.json`)
  }
  return paths as string[]
}

const elementTypes = ['float32', 'int32', 'bool', 'uint8', 'float16'] as const
const storedTypes = ['uint8', 'uint16', 'float16'] as const

const readEntry = (source: ByteSource, entry: unknown): Entry => {
  const { name, shape, dtype, quantization } = isObject(entry) ? entry : {}
  if (typeof name !== 'string' || !Array.isArray(shape) || !shape.every(isCount))
    throw corrupt(source, 'a weight of its manifest has no sound name and shape')
  if (!(elementTypes as readonly unknown[]).includes(dtype))
    throw unsupported(
      source,
      `its weight '${name}' has dtype ${JSON.stringify(dtype)?.slice(0, 40)}; ${elementTypes.join(', ')} are read`,
    )
  const common = { name, shape, dtype: dtype as Entry['dtype'] }
  if (quantization === undefined) return common
  const { dtype: stored, scale = 1, min = 0 } = isObject(quantization) ? quantization : {}
  if (!(storedTypes as readonly unknown[]).includes(stored) || !Number.isFinite(scale) || !Number.isFinite(min))
    throw unsupported(source, `its weight '${name}' is quantised in a way that is not known`)
  return { ...common, quantisation: { dtype: stored, scale, min } as Quantisation }
}

/** The weights of a group follow each other without gaps, across its shards. */
const placeEntries = (shards: ByteSource, contents: Contents, entries: readonly Entry[]): void => {
  let offset = 0
  for (const { name, shape, dtype, quantisation } of entries) {
    const stored: Dtype = quantisation?.dtype ?? dtype
    const count = elementCount(shape)
    const begin = offset
    const bytes = count * dtypeBytes[stored]
    if (!Number.isSafeInteger(bytes)) throw corrupt(shards, `its weight '${name}' has the shape [${shape}]`)
    if (begin + bytes > shards.size)
      throw truncated(shards, `its weight '${name}' ends at byte ${begin + bytes}, and its shards have ${shards.size}`)
    offset += bytes
    const tensor = stridedTensor({
      source: shards,
      dtype: stored,
      shape,
      strides: rowMajorStrides(shape),
      offset: 0,
      storageLength: count,
      locate: async () => ({ source: shards, offset: begin }),
    })
    addTensor(shards, contents, name, quantisation ? dequantised(tensor, dtype, quantisation) : tensor)
  }
  if (offset !== shards.size)
    throw corrupt(shards, `its weights need ${offset} bytes, and its shards have ${shards.size}`)
}

const dequantised = (
  tensor: WeightTensor,
  dtype: Entry['dtype'],
  { dtype: stored, scale, min }: Quantisation,
): WeightTensor => {
  const { shape } = tensor
  const floats = async (): Promise<Float32Array> => {
    const values = await loadFloat32(tensor)
    return stored === 'float16' ? values : values.map(value => value * scale + min)
  }
  return dtype === 'int32'
    ? { shape, dtype, load: async () => Int32Array.from(await floats(), Math.round) }
    : { shape, dtype: 'float32', load: floats }
}
