import { corrupt, unsupported } from '../errors.js'
import { type ByteSource, partOf } from '../source.js'
import type { Contents } from '../walk.js'
import { crc32 } from '../zip/crc32.js'
import { locateEntry, type ZipEntry } from '../zip/directory.js'
import { readKerasH5 } from './h5.js'

export const KERAS_WEIGHTS = 'model.weights.h5'

const maxConfig = 64 * 2 ** 20
const piece = 2 ** 20

/** Reads the `.keras` file of Keras 3: a zip of the model's configuration and its weights. */
export const readKerasArchive = async (
  source: ByteSource,
  entries: ReadonlyMap<string, ZipEntry>,
  checksums: boolean,
): Promise<Contents> => {
  const open = async (name: string): Promise<ByteSource | undefined> => {
    const entry = entries.get(name)
    if (!entry) return undefined
    const part = partOf(source, await locateEntry(source, entry), entry.size)
    if (checksums && (await checksum(part)) !== entry.crc)
      throw corrupt(source, `its zip entry '${name}' fails its CRC-32`, { entry: name })
    return part
  }
  const weights = (await open(KERAS_WEIGHTS))!
  const config = await open('config.json')
  return readKerasH5(weights, config && layerNames(await readJson(config)))
}

const checksum = async (source: ByteSource): Promise<number> => {
  let crc = 0
  for (let offset = 0; offset < source.size; offset += piece)
    crc = crc32(await source.read(offset, Math.min(piece, source.size - offset)), crc)
  return crc
}

const readJson = async (source: ByteSource): Promise<unknown> => {
  if (source.size > maxConfig)
    throw unsupported(source, `its config.json has ${source.size} bytes; ${maxConfig} are read`)
  try {
    return JSON.parse(new TextDecoder().decode(await source.read(0, source.size)))
  } catch (cause) {
    throw corrupt(source, `its config.json is not JSON: ${(cause as Error).message.slice(0, 200)}`)
  }
}

/** Keras's `to_snake_case`, by which it names the groups of layers. */
const snakeCase = (className: string): string =>
  className
    .replace(/\W+/g, '')
    .replace(/(.)([A-Z][a-z]+)/g, '$1_$2')
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase()

/** The names of a model's layers by the path of their weights: the n-th layer of a class has the number n - 1. */
const layerNames = (config: unknown): Map<string, string> => {
  const names = new Map<string, string>()
  const counts = new Map<string, number>()
  const list = (config as { config?: { layers?: unknown } } | null)?.config?.layers
  for (const layer of Array.isArray(list) ? list : []) {
    const { class_name: className, config: own } = (layer ?? {}) as {
      class_name?: unknown
      config?: { name?: unknown }
    }
    if (typeof className !== 'string' || typeof own?.name !== 'string') continue
    const group = snakeCase(className)
    const count = counts.get(group) ?? 0
    counts.set(group, count + 1)
    names.set(`layers/${group}${count === 0 ? '' : `_${count}`}`, own.name)
  }
  return names
}
