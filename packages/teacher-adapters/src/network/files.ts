import { FxError } from '@fx/core'

/** Named apart from its import, so that no bundler for the browser follows it into Node's modules. */
const FILES = 'node:fs/promises'

/** A path, or an `http:`, `https:` or `file:` address. */
export type FileLocation = string | URL

const address = (location: FileLocation): URL | undefined =>
  location instanceof URL || /^(https?|file):\/\//i.test(location) ? new URL(location) : undefined

/** The file of this name beside another one. */
export const beside = (location: FileLocation, name: string): FileLocation => {
  const url = address(location)
  return url ? new URL(name, url) : String(location).replace(/[^/\\]*$/, '') + name
}

const readWeb = async (url: URL): Promise<string | undefined> => {
  const answer = await fetch(url).catch(cause => {
    throw new FxError('service-failed', `Cannot reach ${url}`, { cause })
  })
  if (answer.status === 404) return undefined
  if (!answer.ok) throw new FxError('service-failed', `${url} answered ${answer.status}`)
  return answer.text()
}

const readDisk = async (location: FileLocation): Promise<string | undefined> => {
  const fs = await (import(/* @vite-ignore */ FILES) as Promise<typeof import('node:fs/promises')>).catch(cause => {
    throw new FxError('unsupported', `Only Node can read ${location}; elsewhere, give an http: address`, { cause })
  })
  try {
    return await fs.readFile(location, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new FxError('not-found', `Cannot read ${location}: ${(cause as Error).message}`, { cause })
  }
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (error) {
    // Python writes infinite numbers, which are no JSON; null is as near as JSON comes.
    const finite = text.replace(/(:\s*)-?Infinity\b/g, '$1null')
    if (finite === text) throw error
    return JSON.parse(finite)
  }
}

/**
 * The JSON at a location; undefined when there is no such file.
 *
 * @throws FxError `corrupt-file` for what is no JSON, `not-found` for what cannot be read, `service-failed`,
 *   `unsupported` for a path outside of Node.
 */
export const readJsonFile = async (location: FileLocation): Promise<unknown> => {
  const url = address(location)
  const text = await (url && url.protocol !== 'file:' ? readWeb(url) : readDisk(url ?? location))
  if (text === undefined) return undefined
  try {
    return parse(text)
  } catch (cause) {
    throw new FxError('corrupt-file', `${location} is no JSON: ${(cause as Error).message}`, { cause })
  }
}
