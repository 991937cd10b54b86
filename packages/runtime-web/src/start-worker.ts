import { FxError } from '@fx/core'

/**
 * The worker that ships with this package, as bundlers recognise it: a file next to this one, in the
 * sources as in the build.
 */
export const startWorker = (): Worker => {
  if (typeof Worker === 'undefined') {
    throw new FxError('unsupported', 'This environment has no workers; pass { worker: false } to run in this thread')
  }
  try {
    return new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: '@fx/runtime-web' })
  } catch (error) {
    throw new FxError('service-failed', `The worker could not start: ${(error as Error).message}`, { cause: error })
  }
}
