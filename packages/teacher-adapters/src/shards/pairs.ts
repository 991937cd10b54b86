import { FxError } from '@fx/core'
import type { Licence, RgbImage, TeacherPair } from '../contract/types.js'
import { decodePng } from '../image/png.js'
import { PAIR_ID, parsePairRecord, type StoredPairRecord } from './manifest.js'

/** A pair's files as they lie at rest. */
export interface StoredPair {
  /** Names the pair in errors, for instance `pairs/000000.tar: 000012`. */
  name: string
  /** The file name that the pair's files share. */
  key: string
  input: Uint8Array
  target: Uint8Array
  json?: Uint8Array
}

const PARTS = { 'input.png': 'input', 'target.png': 'target', json: 'json' } as const

type PairPart = (typeof PARTS)[keyof typeof PARTS]

/** WebDataset's rule: the key goes up to the first dot of the base name, the rest says which part it is. */
const pairFileName = (name: string): { key: string; part: PairPart } | undefined => {
  const base = name.lastIndexOf('/') + 1
  const dot = name.indexOf('.', base)
  if (dot <= base) return undefined
  const part = PARTS[name.slice(dot + 1) as keyof typeof PARTS]
  return part && { key: name.slice(0, dot), part }
}

/**
 * Puts files together to pairs, in the order of their first file. Names that belong to no pair are passed over.
 *
 * @throws FxError `corrupt-file` for an input without its target or the other way round, and for a part that is there
 *   twice.
 */
export const groupPairs = <T>(
  files: readonly { name: string; file: T }[],
  where: string,
): { key: string; parts: Record<'input' | 'target', T> & { json?: T } }[] => {
  const pairs = new Map<string, Partial<Record<PairPart, T>>>()
  for (const { name, file } of files) {
    const found = pairFileName(name)
    if (!found) continue
    const parts = pairs.get(found.key) ?? {}
    if (parts[found.part] !== undefined) throw new FxError('corrupt-file', `${where} holds '${name}' twice`)
    parts[found.part] = file
    pairs.set(found.key, parts)
  }
  return [...pairs].flatMap(([key, { input, target, json }]) => {
    if (input === undefined && target === undefined) return []
    if (input === undefined || target === undefined) {
      const missing = input === undefined ? 'input' : 'target'
      throw new FxError('corrupt-file', `${where}: the pair '${key}' has no '${key}.${missing}.png'`, {
        details: { key, missing },
      })
    }
    return [{ key, parts: { input, target, ...(json !== undefined && { json }) } }]
  })
}

/** What is known of pairs that come without a `.json`. */
export interface PairDefaults {
  index: number
  licence: Licence
  version: string
}

/**
 * A stored pair in memory.
 *
 * @throws FxError `corrupt-file` for a damaged image or description, `shape-mismatch` for images of unequal size.
 */
export const openPair = (stored: StoredPair, defaults: PairDefaults): TeacherPair & { effect?: string } => {
  const image = (role: 'input' | 'target'): RgbImage => decodePng(stored[role], { name: `${stored.name}.${role}.png` })
  const input = image('input')
  const target = image('target')
  if (input.width !== target.width || input.height !== target.height) {
    throw new FxError(
      'shape-mismatch',
      `${stored.name}: the input is ${input.width}x${input.height}, the target ${target.width}x${target.height}; they must be equal`,
    )
  }
  const record: StoredPairRecord = stored.json
    ? parsePairRecord(stored.json, `${stored.name}.json`)
    : {
        id: idOf(stored.key),
        parameters: {},
        provenance: {
          teacher: { id: 'recorded', version: defaults.version },
          seed: defaults.index,
          licence: defaults.licence,
        },
      }
  return { ...record, input, target }
}

const idOf = (key: string): string => (PAIR_ID.test(key) ? key : key.replace(/[^\w-]+/g, '_'))
