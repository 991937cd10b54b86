import { FxError } from '@fx/core'
import type { Checkpoint } from '@fx/weights'

/** Named apart from its import, so that no bundler for the browser follows it into Node's modules. */
const FILES = '@fx/weights/node'

/**
 * Opens a checkpoint by its path or address.
 *
 * @throws FxError those of `openCheckpoint`; `unsupported` outside of Node.
 */
export const openLocation = async (location: string | URL): Promise<Checkpoint> => {
  const node = await (import(/* @vite-ignore */ FILES) as Promise<typeof import('@fx/weights/node')>).catch(cause => {
    throw new FxError('unsupported', `Only Node can open ${location}; elsewhere, give the bytes of the file`, { cause })
  })
  return node.openCheckpoint(location)
}
