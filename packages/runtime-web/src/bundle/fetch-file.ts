import { type BundleFile, FxError, sha256Hex } from '@fx/core'
import { throwIfAborted } from '../aborted.js'

/**
 * The bytes behind a URL.
 *
 * @throws FxError `not-found` (404, 410), `service-failed` (another status, no network), `aborted`.
 */
export const fetchBytes = async (url: URL, signal: AbortSignal | undefined): Promise<Uint8Array<ArrayBuffer>> => {
  const failed = (code: 'not-found' | 'service-failed', why: string, cause?: unknown) =>
    new FxError(code, `Cannot fetch ${url.href}: ${why}`, { cause, details: { url: url.href } })
  let response: Response
  try {
    response = await fetch(url, { signal })
    if (response.status === 404 || response.status === 410)
      throw failed('not-found', `the server answers ${response.status}`)
    if (!response.ok) throw failed('service-failed', `the server answers ${response.status}`)
    return new Uint8Array(await response.arrayBuffer())
  } catch (error) {
    throwIfAborted(signal)
    if (FxError.isInstance(error)) throw error
    throw failed('service-failed', error instanceof Error ? error.message : String(error), error)
  }
}

/**
 * One file of a bundle, checked against its entry in the manifest.
 *
 * @throws FxError as `fetchBytes`, `corrupt-file` (another size: truncated, or a page in its place), `checksum-mismatch`.
 */
export const fetchFile = async (
  base: URL,
  { path, size, sha256 }: BundleFile,
  signal: AbortSignal | undefined,
): Promise<Uint8Array<ArrayBuffer>> => {
  const url = new URL(path, base)
  const data = await fetchBytes(url, signal)
  if (data.length !== size) {
    const what = data.length < size ? 'is truncated' : 'is too long'
    throw new FxError('corrupt-file', `${url.href} ${what}: ${data.length} bytes, allowed are ${size}`, {
      details: { url: url.href, size: data.length, expected: size },
    })
  }
  const actual = sha256Hex(data)
  if (actual !== sha256) {
    throw new FxError(
      'checksum-mismatch',
      `${url.href} is not the file of this bundle: SHA-256 ${actual}, allowed is ${sha256}`,
      {
        details: { url: url.href, sha256: actual, expected: sha256 },
      },
    )
  }
  return data
}
