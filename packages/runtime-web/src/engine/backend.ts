import { type PreparedBackend, prepareBackend } from '@fx/backend'
import type { BackendOptions } from './types.js'

let last: Promise<unknown> = Promise.resolve()

/**
 * Starts the backend that this thread computes on. Calls wait for one another: tfjs has one set of backends for each
 * thread, and two starts at once would make two thread pools.
 */
export const startBackend = (options: BackendOptions): Promise<PreparedBackend> => {
  const started = last.then(() => prepareBackend(options))
  last = started.catch(() => {})
  return started
}
