import { type BackendName, type PreparedBackend, prepareBackend } from '@fx/backend'
import { installTrainingKernels } from '@fx/backend/training'
import type { ResolvedConfig } from '../config/types.js'

/** For the many small operations of a training step; TensorFlow's native library takes longer over each than wasm does. */
const fastestToTrain: readonly BackendName[] = ['webgpu', 'wasm', 'tfjs-node', 'cpu']

/** The backend of a run, for the student and for a teacher that computes with tfjs. */
export const openBackend = ({ backend }: ResolvedConfig): Promise<PreparedBackend> =>
  // Waking a second thread for each of the many small operations of a training step costs as much as it gains on a
  // quiet machine, and several times that on a busy one (benchmarks/results/training.csv).
  prepareBackend({ backend, order: fastestToTrain, threads: 1 })

/** Lets a teacher draw with the kernels of training, which make some of a generator's layers several times faster. */
export const withFastTeacher = async <T>(work: () => Promise<T>): Promise<T> => {
  const uninstall = await installTrainingKernels()
  try {
    return await work()
  } finally {
    uninstall()
  }
}
