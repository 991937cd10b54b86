import { type BundleFile, type EffectBundleManifest, FxError, parseBundleManifest, sha256Hex } from '@fx/core'
import { fetchBytes, fetchFile } from './fetch-file.js'

/** A bundle on a server: its manifest, and its files once they are asked for. */
export interface BundleReader {
  /** Of `effect.json`. */
  readonly url: URL
  readonly manifest: EffectBundleManifest
  /** SHA-256 of `effect.json`, hex: since that lists the sums of all files, it names what the bundle holds. */
  readonly hash: string
  /**
   * A file of the bundle, by its path in the manifest, its size and SHA-256 checked. Those who ask for the same file share
   * one fetch and one copy, until `release`; nobody may write to it.
   *
   * @throws FxError `not-found`, `service-failed`, `corrupt-file` (another size, or not listed), `checksum-mismatch`,
   *   `aborted`.
   */
  read(path: string, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>>
  /** Forgets the bytes that were read. Asked for again, a file is fetched again. */
  release(): void
}

/**
 * JSON of a file.
 *
 * @throws FxError `corrupt-file`, which tells a web page in its place from damage.
 */
export const parseJson = (url: URL, bytes: Uint8Array): unknown => {
  const text = new TextDecoder().decode(bytes)
  try {
    return JSON.parse(text)
  } catch (error) {
    const what = /^\s*</.test(text)
      ? 'a web page: the server may answer unknown paths with one'
      : (error as Error).message
    throw new FxError('corrupt-file', `${url.href} is not JSON but ${what}`, {
      cause: error,
      details: { url: url.href },
    })
  }
}

/** The entry of a file that the manifest refers to. */
const entry = (manifest: EffectBundleManifest, path: string): BundleFile => {
  const file = manifest.files.find(file => file.path === path)
  if (file === undefined)
    throw new FxError('corrupt-file', `effect.json refers to '${path}' but does not list it in files`)
  return file
}

/**
 * Fetches and checks a bundle's manifest, nothing else.
 *
 * @throws FxError `not-found`, `service-failed`, `corrupt-file`, `newer-version`, `aborted`.
 */
export const openBundle = async (url: URL, signal?: AbortSignal): Promise<BundleReader> => {
  const bytes = await fetchBytes(url, signal)
  const manifest = parseBundleManifest(parseJson(url, bytes))
  const files = new Map<string, Promise<Uint8Array<ArrayBuffer>>>()
  return {
    url,
    manifest,
    hash: sha256Hex(bytes),
    read: async (path, signal) => {
      const known = files.get(path)
      if (known !== undefined) return known
      const fetched = fetchFile(url, entry(manifest, path), signal)
      files.set(path, fetched)
      // What failed may be asked for again.
      fetched.catch(() => files.delete(path))
      return fetched
    },
    release: () => files.clear(),
  }
}
