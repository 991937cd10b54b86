import { type PreparedBackend, prepareBackend } from '@fx/backend'
import type { BackendOptions } from './types.js'

/** Phones have four fast cores at most, and a slow one in the team makes the others wait. */
const mostThreads = 4

let last: Promise<unknown> = Promise.resolve()

/**
 * Starts the backend that this thread computes on. Calls wait for one another: tfjs has one set of backends for each
 * thread, and two starts at once would make two thread pools.
 */
export const startBackend = (options: BackendOptions): Promise<PreparedBackend> => {
  const { threads = Math.min(navigator.hardwareConcurrency || 1, mostThreads) } = options
  const started = last.then(() => prepareBackend({ ...options, threads }))
  last = started.catch(() => {})
  return started
}
