import { createHash, randomBytes } from 'node:crypto'
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { FxError } from '@fx/core'
import { writeFailed, writeFileAtomic } from '@fx/core/node'
import { truncated } from '../errors.js'
import { badStatus, requestFailed } from '../http.js'
import type { ByteSource } from '../source.js'
import { fileSource, sha256Source } from './file.js'

export interface UrlSourceOptions {
  /** Where downloads are kept; default `$XDG_CACHE_HOME/fx/weights` or `~/.cache/fx/weights`. */
  readonly cache?: string
  /** The SHA-256 that the file must have. With it, a cached file is used without asking the server. */
  readonly sha256?: string
  /** Sent with every request, for instance an authorization. */
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
  /** Called with the bytes so far and in all (undefined when the server does not say). */
  readonly onProgress?: (done: number, total: number | undefined) => void
}

/** What is known of a download, beside it as JSON. */
interface Known {
  readonly url: string
  readonly etag?: string
  readonly modified?: string
  readonly size?: number
  readonly sha256?: string
}

const defaultCache = (): string => join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'fx', 'weights')

const readKnown = async (path: string, url: string): Promise<Known | undefined> => {
  try {
    const known = JSON.parse(await readFile(path, 'utf8')) as Known | null
    return known?.url === url ? known : undefined
  } catch {
    return undefined
  }
}

const sizeOf = async (path: string): Promise<number> => (await stat(path).catch(() => undefined))?.size ?? 0

/**
 * Downloads a file once and gives it as a source. It is cached under its address; the server is asked (ETag or
 * Last-Modified) whether it is still current, and a server that cannot be reached leaves the cached file in use. A download
 * that broke off is continued by the next call, when the server serves ranges and the file has not changed.
 *
 * @throws FxError `corrupt-file` with `details.truncated` when fewer bytes came than were announced, `checksum-mismatch`
 * (nothing stays cached), `not-found`, `service-failed`, `write-failed`, `aborted`.
 */
export const urlSource = async (url: string, options: UrlSourceOptions = {}): Promise<ByteSource> => {
  const cache = options.cache ?? defaultCache()
  const path = join(cache, createHash('sha256').update(url).digest('hex').slice(0, 32))
  const known = await readKnown(`${path}.json`, url)
  const cached = known !== undefined && known.size === (await sizeOf(path))
  const wanted = options.sha256?.toLowerCase()

  if (cached && wanted !== undefined && known.sha256 === wanted) return named(url, path)
  try {
    await mkdir(cache, { recursive: true })
  } catch (error) {
    throw writeFailed(cache, error)
  }
  // Only one process continues the shared part; another one at the same time writes its own.
  const release = await claim(`${path}.lock`)
  const part = release ? `${path}.part` : `${path}.${randomBytes(6).toString('hex')}.part`
  let current: boolean
  try {
    current = await refresh({ url, path, part, shared: release !== undefined }, cached ? known : undefined, options)
  } finally {
    if (!release) await rm(part, { force: true })
    await release?.()
  }
  if (current && wanted !== undefined) throw mismatch(url, known?.sha256 ?? 'none', wanted)
  return named(url, path)
}

const named = async (url: string, path: string): Promise<ByteSource> => ({ ...(await fileSource(path)), name: url })

const mismatch = (url: string, sha256: string, expected: string): FxError =>
  new FxError('checksum-mismatch', `${url} has the SHA-256 ${sha256}, not ${expected}`, {
    details: { url, sha256, expected },
  })

interface Place {
  readonly url: string
  /** The cached file. */
  readonly path: string
  /** Where its bytes are gathered. */
  readonly part: string
  /** The part outlives a download that broke off. */
  readonly shared: boolean
}

/** Brings the cached file up to date; true when it was so already, or when the server cannot be reached. */
const refresh = async (place: Place, cached: Known | undefined, options: UrlSourceOptions): Promise<boolean> => {
  const { url, part, shared } = place
  const begun = shared ? await readKnown(`${part}.json`, url) : undefined
  const condition = begun && validator(begun)
  const have = !cached && condition ? await sizeOf(part) : 0
  const headers: Record<string, string> = { ...options.headers, 'accept-encoding': 'identity' }
  if (cached?.etag) headers['if-none-match'] = cached.etag
  else if (cached?.modified) headers['if-modified-since'] = cached.modified
  if (condition && have > 0) {
    headers.range = `bytes=${have}-`
    headers['if-range'] = condition
  }
  let response: Response
  try {
    response = await fetch(url, { headers, ...(options.signal ? { signal: options.signal } : {}) })
  } catch (error) {
    if (cached && !options.signal?.aborted) return true
    throw requestFailed(url, error, options.signal)
  }
  if (response.status === 200 || response.status === 206) {
    await receive(place, response, have, options)
    return false
  }
  await response.body?.cancel()
  if (response.status === 304 && cached) return true
  // What was begun is no part of the file any more.
  if (response.status === 416 && have > 0) {
    await rm(part, { force: true })
    return refresh(place, cached, options)
  }
  throw badStatus(url, response)
}

/** What `If-Range` takes: a strong tag or a date. */
const validator = ({ etag, modified }: Known): string | undefined => (etag && !etag.startsWith('W/') ? etag : modified)

/** Gathers an answer in the part, which takes the cached file's name when it is whole. */
const receive = async (place: Place, response: Response, have: number, options: UrlSourceOptions): Promise<void> => {
  const { url, part } = place
  const start = response.status === 206 ? have : 0
  const range = response.headers.get('content-range') ?? ''
  if (response.status === 206 && !range.startsWith(`bytes ${have}-`)) {
    await response.body?.cancel()
    throw new FxError('service-failed', `${url} answered with '${range}' where bytes from ${have} were asked for`, {
      details: { url, range },
    })
  }
  const length = response.headers.get('content-length')
  const total = length === null ? undefined : start + Number(length)
  const etag = response.headers.get('etag')
  const modified = response.headers.get('last-modified')
  const known: Known = { url, ...(etag ? { etag } : {}), ...(modified ? { modified } : {}) }
  if (place.shared) await writeFileAtomic(`${part}.json`, JSON.stringify(known))
  const done = await append(url, part, start, total, response, options)
  if (total !== undefined && done !== total)
    throw truncated({ name: url }, `${done} of ${total} bytes came before the download broke off`, {
      size: done,
      expected: total,
    })
  await accept(place, known, options)
}

const append = async (
  url: string,
  part: string,
  start: number,
  total: number | undefined,
  response: Response,
  options: UrlSourceOptions,
): Promise<number> => {
  let done = start
  try {
    const file = await open(part, start > 0 ? 'r+' : 'w')
    try {
      if (start > 0) await file.truncate(start)
      for await (const bytes of chunksOf(response, url, options.signal)) {
        await file.writev([bytes], done)
        done += bytes.length
        options.onProgress?.(done, total)
      }
      await file.sync()
    } finally {
      await file.close()
    }
  } catch (error) {
    throw writeFailed(part, error)
  }
  return done
}

/** A broken connection ends the chunks: what is missing is told by the length. */
async function* chunksOf(response: Response, url: string, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader()
  if (!reader) return
  for (;;) {
    let chunk: Awaited<ReturnType<typeof reader.read>>
    try {
      chunk = await reader.read()
    } catch (error) {
      if (signal?.aborted || response.headers.get('content-length') === null) throw requestFailed(url, error, signal)
      return
    }
    if (chunk.done) return
    yield chunk.value
  }
}

const accept = async ({ url, path, part }: Place, known: Known, options: UrlSourceOptions): Promise<void> => {
  const file = await fileSource(part)
  const sha256 = await sha256Source(file).finally(() => file.close?.())
  const wanted = options.sha256?.toLowerCase()
  await rm(`${part}.json`, { force: true })
  if (wanted !== undefined && sha256 !== wanted) {
    await rm(part, { force: true })
    throw mismatch(url, sha256, wanted)
  }
  try {
    await rename(part, path)
  } catch (error) {
    throw writeFailed(path, error)
  }
  await writeFileAtomic(`${path}.json`, JSON.stringify({ ...known, size: file.size, sha256 }))
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Takes a lock file, or gives undefined when a living process has it. */
const claim = async (path: string): Promise<(() => Promise<void>) | undefined> => {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const file = await open(path, 'wx')
      await file.writeFile(String(process.pid))
      await file.close()
      return () => rm(path, { force: true })
    } catch {
      // Empty: its owner has not written its number yet.
      const pid = Number(await readFile(path, 'utf8').catch(() => ''))
      if (pid === 0 || isAlive(pid)) return undefined
      await rm(path, { force: true })
    }
  }
  return undefined
}
