import { canonicalJson, type EffectSpec, FxError, parseEffectSpec } from '@fx/core'
import * as z from 'zod/mini'
import en from 'zod/v4/locales/en.js'
import type { Licence, SkippedSeed, TeacherPair } from '../contract/types.js'

/** The version of the shard format that this code writes and the newest it reads. */
export const SHARD_FORMAT_VERSION = 1

export interface ShardFile {
  /** File name inside the folder. */
  path: string
  pairs: number
  bytes: number
  /** SHA-256, hex. */
  sha256: string
  /** Id of the first pair, by which a resumed run recognises its own shards. */
  firstId: string
}

/** A seed that gave no pair; the next pair is number `before`. */
export type SkippedPlace = SkippedSeed & { before: number }

/** `manifest.json`: what the shards of a folder hold. Written last, so a folder that has one is complete. */
export interface ShardManifest {
  formatVersion: typeof SHARD_FORMAT_VERSION
  effect: EffectSpec
  /** Side of the square images, pixels. */
  size: number
  pairCount: number
  /** Every teacher that made a pair. */
  teachers: { id: string; version: string }[]
  /** Every licence that a pair stands under. */
  licences: Licence[]
  /** Hash of everything that decides the bytes; a run resumes only what has its own. */
  plan: string
  shards: ShardFile[]
  /** The seeds that gave no pair, and why; absent when every seed gave one. */
  skipped?: SkippedPlace[]
}

/** What stands in a pair's `.json`, beside its two images. */
export type PairRecord = Omit<TeacherPair, 'input' | 'target'> & { effect: string }

/** The same from any writer: others need not name the effect. */
export type StoredPairRecord = Omit<PairRecord, 'effect'> & { effect?: string }

const inEnglish = { error: en().localeError }
const count = z.int().check(z.nonnegative())
const licence = z.object({ id: z.string(), attribution: z.optional(z.string()), url: z.optional(z.string()) })
const teacher = z.object({ id: z.string(), version: z.string() })

const manifest = z.object({
  formatVersion: z.literal(SHARD_FORMAT_VERSION),
  effect: z.unknown(),
  size: z.int().check(z.positive()),
  pairCount: count,
  teachers: z.array(teacher),
  licences: z.array(licence),
  plan: z.string(),
  shards: z.array(
    z.object({
      path: z.string().check(z.regex(/^[\w-][\w.-]*$/, 'must be a file name')),
      pairs: z.int().check(z.positive()),
      bytes: count,
      sha256: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
      firstId: z.string(),
    }),
  ),
  skipped: z.optional(z.array(z.object({ seed: count, reason: z.string(), message: z.string(), before: count }))),
})

/** Ids become names of files and samples elsewhere, so they hold nothing that could mean something there. */
export const PAIR_ID = /^[\w-]+$/

const pairRecord = z.object({
  id: z.string().check(z.regex(PAIR_ID, 'may hold letters, digits, _ and -')),
  effect: z.optional(z.string()),
  parameters: z.record(z.string(), z.number()),
  provenance: z.object({
    teacher,
    weightsHash: z.optional(z.string()),
    seed: count,
    prompt: z.optional(z.string()),
    licence,
    extra: z.optional(z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]))),
  }),
})

/**
 * Checks a parsed `manifest.json`.
 *
 * @throws FxError `newer-version`, or `corrupt-file` naming the file and the member that is wrong.
 */
export const parseShardManifest = (value: unknown, name: string): ShardManifest => {
  const version = (value as { formatVersion?: unknown } | null)?.formatVersion
  if (typeof version === 'number' && version > SHARD_FORMAT_VERSION) {
    throw new FxError(
      'newer-version',
      `${name} has format version ${version}; this code reads up to ${SHARD_FORMAT_VERSION}. Update @fx/teacher-adapters.`,
      { details: { version, supported: SHARD_FORMAT_VERSION } },
    )
  }
  const result = manifest.safeParse(value, inEnglish)
  if (!result.success) {
    throw new FxError('corrupt-file', `${name} is not a shard manifest: ${z.prettifyError(result.error)}`)
  }
  const parsed = value as ShardManifest
  try {
    parseEffectSpec(parsed.effect)
  } catch (cause) {
    throw new FxError('corrupt-file', `${name} is not a shard manifest: ${(cause as Error).message}`, { cause })
  }
  const pairs = parsed.shards.reduce((total, shard) => total + shard.pairs, 0)
  if (pairs !== parsed.pairCount) {
    throw new FxError('corrupt-file', `${name} counts ${parsed.pairCount} pairs, but its shards hold ${pairs}`)
  }
  return parsed
}

/** @throws FxError `corrupt-file` naming the pair and the member that is wrong. */
export const parsePairRecord = (bytes: Uint8Array, name: string): StoredPairRecord => {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch (cause) {
    throw new FxError('corrupt-file', `${name} is not JSON: ${(cause as Error).message}`, { cause })
  }
  const result = pairRecord.safeParse(value, inEnglish)
  if (!result.success) {
    throw new FxError('corrupt-file', `${name} does not describe a pair: ${z.prettifyError(result.error)}`)
  }
  return result.data as StoredPairRecord
}

/** The values that differ, in the order of their first appearance. */
export const distinct = <T>(values: readonly T[]): T[] => [
  ...new Map(values.map(value => [canonicalJson(value), value])).values(),
]
