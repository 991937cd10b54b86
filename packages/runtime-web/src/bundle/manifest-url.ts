import { FxError } from '@fx/core'

/** `effect.json` of the bundle at `url`, which names the folder or the file itself. */
export const manifestUrl = (url: string, base: string): URL => {
  let resolved: URL
  try {
    resolved = new URL(url, base)
  } catch (error) {
    throw new FxError('invalid-argument', `'${url}' is not a URL`, { cause: error })
  }
  if (resolved.pathname.endsWith('.json')) return resolved
  if (!resolved.pathname.endsWith('/')) resolved.pathname += '/'
  return new URL(`effect.json${resolved.search}`, resolved)
}
