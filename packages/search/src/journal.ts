import { canonicalJson, FxError } from '@fx/core'
import { readJson, writeFileAtomic } from '@fx/core/node'

/** The version of the format that this code writes and the newest it reads. */
const JOURNAL_FORMAT_VERSION = 1

/** Remembers the answer of each piece of work, so that a search that was killed does none of it twice. */
export interface Journal {
  has(key: string): boolean
  /** The answer that is written down, or that of the work, which is then written down before it is given. Plain JSON. */
  once<T>(key: string, work: () => Promise<T>): Promise<T>
}

/**
 * Opens a search's journal, or begins it.
 *
 * @param fingerprint everything that decides the answers, plain JSON by name.
 * @throws FxError `resume-mismatch` naming what differs from the search that began it, `corrupt-file`, `newer-version`.
 */
export const openJournal = async (path: string, fingerprint: Record<string, unknown>): Promise<Journal> => {
  const read = (await readJson(path).catch(error => {
    if (FxError.isInstance(error, 'not-found')) return undefined
    throw error
  })) as
    | { formatVersion?: unknown; fingerprint?: Record<string, unknown>; entries?: Record<string, unknown> }
    | undefined
  if (read !== undefined && (typeof read?.formatVersion !== 'number' || !read.fingerprint || !read.entries)) {
    throw new FxError('corrupt-file', `${path} is not the state of a search`)
  }
  if (read && (read.formatVersion as number) > JOURNAL_FORMAT_VERSION) {
    throw new FxError(
      'newer-version',
      `${path} has format version ${read.formatVersion}; this code reads up to ${JOURNAL_FORMAT_VERSION}`,
    )
  }
  const text = (value: unknown): string => (value === undefined ? 'absent' : canonicalJson(value))
  const names = [...new Set([...Object.keys(fingerprint), ...Object.keys(read?.fingerprint ?? {})])]
  const differences = read ? names.filter(name => text(fingerprint[name]) !== text(read.fingerprint![name])) : []
  if (differences.length > 0) {
    const each = differences.map(name => `${name}: ${text(read!.fingerprint![name])} -> ${text(fingerprint[name])}`)
    throw new FxError(
      'resume-mismatch',
      `The search in ${path} was started with other options (${each.join('; ')}). Put them back, or choose another out folder`,
      { details: { differences } },
    )
  }
  const entries = new Map(Object.entries(read?.entries ?? {}))
  return {
    has: key => entries.has(key),
    once: async <T>(key: string, work: () => Promise<T>): Promise<T> => {
      if (!entries.has(key)) {
        // As it will be read: a resumed search must not see more than this one does.
        const value: unknown = JSON.parse(JSON.stringify(await work()))
        const all = { ...Object.fromEntries(entries), [key]: value }
        const state = { formatVersion: JOURNAL_FORMAT_VERSION, fingerprint, entries: all }
        await writeFileAtomic(path, `${JSON.stringify(state, null, 1)}\n`)
        entries.set(key, value)
      }
      return structuredClone(entries.get(key)) as T
    },
  }
}
