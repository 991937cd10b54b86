import { FxError } from '@fx/core'
import { corrupt, truncated, unsupported } from './errors.js'
import { type ByteSource, checkRange } from './source.js'

export interface HttpSourceOptions {
  /** Sent with every request, for instance an authorization. */
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
  /** Default: the global `fetch`. */
  readonly fetch?: typeof fetch
}

/** A failed request as an FxError: `aborted` when the caller asked for it, else `service-failed`. */
export const requestFailed = (url: string, error: unknown, signal?: AbortSignal): FxError => {
  if (FxError.isInstance(error)) return error
  if (signal?.aborted) return new FxError('aborted', `Reading ${url} was aborted`, { cause: error, details: { url } })
  const reason = ((error as Error).cause as Error | undefined)?.message ?? (error as Error).message
  return new FxError('service-failed', `Cannot read ${url}: ${reason}`, { cause: error, details: { url } })
}

/** An answer that is neither the file nor a part of it. */
export const badStatus = (url: string, response: Response): FxError =>
  new FxError(
    response.status === 404 || response.status === 410 ? 'not-found' : 'service-failed',
    `${url} answered ${response.status} ${response.statusText}`.trim(),
    { details: { url, status: response.status } },
  )

/**
 * A source over HTTP that fetches only the ranges that are read: right for a few tensors of a large safetensors or torch
 * zip file, in browsers too. A pickle of hundreds of storages is better downloaded whole (`urlSource` of
 * `@fx/weights/node`).
 *
 * @throws FxError `unsupported` when the server does not serve ranges, `not-found` or `service-failed` when it answers
 * with an error, `aborted`. Reads throw `corrupt-file` when the file changes in between, or a range comes back short.
 */
export const httpSource = async (url: string, options: HttpSourceOptions = {}): Promise<ByteSource> => {
  const { headers = {}, signal, fetch: request = fetch } = options
  const get = async (range: string, more: Record<string, string>): Promise<Response> => {
    try {
      const response = await request(url, {
        headers: { ...headers, ...more, range, 'accept-encoding': 'identity' },
        ...(signal ? { signal } : {}),
      })
      if (!response.ok) throw badStatus(url, response)
      return response
    } catch (error) {
      throw requestFailed(url, error, signal)
    }
  }

  const first = await get('bytes=0-0', {})
  await first.body?.cancel()
  const size = Number(/\/(\d+)$/.exec(first.headers.get('content-range') ?? '')?.[1] ?? Number.NaN)
  if (first.status !== 206 || !Number.isSafeInteger(size))
    throw unsupported({ name: url }, 'its server does not serve ranges of it; download it first')
  const etag = first.headers.get('etag')
  // A weak tag does not promise equal bytes, and If-Range does not take one.
  const condition: Record<string, string> = etag && !etag.startsWith('W/') ? { 'if-range': etag } : {}

  const source: ByteSource = {
    size,
    name: url,
    read: async (offset, length) => {
      checkRange(source, offset, length)
      if (length === 0) return new Uint8Array(0)
      const response = await get(`bytes=${offset}-${offset + length - 1}`, condition)
      if (response.status !== 206) {
        await response.body?.cancel()
        throw corrupt(source, 'it changed while it was being read')
      }
      const bytes = await response.arrayBuffer().catch(error => {
        if (signal?.aborted) throw requestFailed(url, error, signal)
        throw truncated(source, `the answer for bytes ${offset} to ${offset + length} broke off`, { offset, length })
      })
      if (bytes.byteLength !== length)
        throw truncated(source, `${bytes.byteLength} bytes came where ${length} were asked for`, { offset, length })
      return new Uint8Array(bytes)
    },
  }
  return source
}
