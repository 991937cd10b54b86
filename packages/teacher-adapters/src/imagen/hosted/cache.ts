import { FxError } from '@fx/core'
import * as z from 'zod/mini'
import { HOSTED_FAILURES, type HostedFailure } from './options.js'

/** Where answers are kept: what a `Map` or a Keyv has. Values are plain JSON. */
export interface ResponseCache {
  get(key: string): unknown
  set(key: string, value: HostedRecord): unknown
}

/** One answer of the service, or that it failed for good: what the cache holds, and a file of a cache folder. */
export interface HostedRecord {
  formatVersion: 1
  /** What was asked; the key is the SHA-256 of it. No credentials. */
  request: Record<string, unknown>
  /** ISO 8601. */
  answeredAt: string
  /** What the service says it used. */
  modelVersion?: string
  /** Base64, as they came. Empty where `failure` says why. */
  images: { data: string }[]
  failure?: { reason: HostedFailure; message: string }
  usage: { inputTokens: number; outputTokens: number }
}

const record = z.object({
  formatVersion: z.literal(1),
  request: z.record(z.string(), z.unknown()),
  answeredAt: z.string(),
  modelVersion: z.optional(z.string()),
  images: z.array(z.object({ data: z.string() })),
  failure: z.optional(z.object({ reason: z.enum(HOSTED_FAILURES), message: z.string() })),
  usage: z.object({ inputTokens: z.number(), outputTokens: z.number() }),
})

/** Named apart from its import, so that no bundler for the browser follows it into Node's modules. */
const FILES = '@fx/core/node'

/** A file for each answer, written whole or not at all; 256 subfolders keep listings short. */
const folderCache = (folder: string): ResponseCache => {
  const open = () =>
    (import(/* @vite-ignore */ FILES) as Promise<typeof import('@fx/core/node')>).catch(cause => {
      throw new FxError('unsupported', 'Only Node has folders to cache in; elsewhere give an object with get and set', {
        cause,
      })
    })
  const pathOf = (key: string) => `${folder.replace(/[\\/]+$/, '')}/${key.slice(0, 2)}/${key}.json`
  return {
    async get(key) {
      const { readJson } = await open()
      return readJson(pathOf(key)).catch(error => {
        if (FxError.isInstance(error, 'not-found')) return undefined
        throw error
      })
    },
    async set(key, value) {
      const { writeFileAtomic } = await open()
      await writeFileAtomic(pathOf(key), `${JSON.stringify(value)}\n`)
    },
  }
}

export interface AnswerCache {
  /** @throws FxError `corrupt-file` for an entry that is none of ours, `service-failed`. */
  get(key: string): Promise<HostedRecord | undefined>
  /** @throws FxError `write-failed`. */
  set(key: string, value: HostedRecord): Promise<void>
}

export const openCache = (what: string, cache: string | ResponseCache | false): AnswerCache => {
  if (cache === false) return { get: async () => undefined, set: async () => {} }
  const store = typeof cache === 'string' ? folderCache(cache) : cache
  if (typeof store.get !== 'function' || typeof store.set !== 'function') {
    throw new FxError('invalid-argument', `${what}: cache must be a folder, an object with get and set, or false`)
  }
  const failed = (code: 'service-failed' | 'write-failed', cause: unknown) =>
    FxError.isInstance(cause)
      ? cause
      : new FxError(code, `${what}: the cache failed: ${(cause as Error)?.message ?? cause}`, { cause })
  return {
    async get(key) {
      let value: unknown
      try {
        value = await store.get(key)
      } catch (error) {
        throw failed('service-failed', error)
      }
      if (value === undefined || value === null) return undefined
      if (record.safeParse(value).success) return value as HostedRecord
      throw new FxError('corrupt-file', `${what}: the cache's entry ${key} is not an answer of a hosted model`, {
        details: { key },
      })
    },
    async set(key, value) {
      try {
        await store.set(key, value)
      } catch (error) {
        throw failed('write-failed', error)
      }
    },
  }
}
