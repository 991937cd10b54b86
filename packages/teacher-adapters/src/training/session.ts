import { type BackendName, type PreparedBackend, prepareBackend } from '@fx/backend'
import { FxError } from '@fx/core'
import type { TrainingRunOptions } from '../contract/training.js'

/**
 * Runs `work` on a backend that is ready to train, and takes back afterwards what was installed for it.
 *
 * @param install kernels and gradients of `@fx/backend/training`; each gives what undoes it.
 * @throws FxError `backend-unavailable`; `missing-package` without tfjs-layers.
 */
export const withTrainingBackend = async <T>(
  name: BackendName | 'auto',
  install: readonly (() => (() => void) | Promise<() => void>)[],
  onProgress: TrainingRunOptions['onProgress'],
  work: (backend: PreparedBackend) => Promise<T>,
): Promise<T> => {
  const backend = await prepareBackend({ backend: name, threads: 1 })
  onProgress?.({ type: 'note', message: backend.reason })
  await import('@tensorflow/tfjs-layers').catch(cause => {
    throw new FxError(
      'missing-package',
      'Training needs the gradients that @tensorflow/tfjs-layers registers: npm install @tensorflow/tfjs-layers',
      { cause },
    )
  })
  const installed: (() => void)[] = []
  try {
    for (const each of install) installed.push(await each())
    return await work(backend)
  } finally {
    for (const undo of installed.reverse()) undo()
  }
}
