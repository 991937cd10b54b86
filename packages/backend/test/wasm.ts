import '@tensorflow/tfjs-backend-cpu'
import '@tensorflow/tfjs-layers'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { prepareBackend } from '../src/index.js'
import { installTrainingKernels } from '../src/training.js'
import { convGradients } from './suites/convGradients.js'
import { groupNorms } from './suites/groupNorm.js'
import { matMul } from './suites/matMul.js'
import { nativeOps } from './suites/nativeOps.js'
import { optimizers } from './suites/optimizers.js'
import { trainingStep } from './suites/trainingStep.js'

/** Everything that is promised of wasm, for one number of threads: a process can start only one build of tfjs-wasm. */
export const wasmSuites = (threads: number): void => {
  let uninstall: () => void
  beforeAll(async () => {
    expect(await prepareBackend({ backend: 'wasm', threads })).toMatchObject({ name: 'wasm', threads, simd: true })
    uninstall = await installTrainingKernels()
  })
  afterAll(() => uninstall())

  // The kernels are the same in both builds, so the slower one repeats only some of the cases.
  describe('convolution gradients', () => convGradients(threads === 1 ? 1 : 5))
  describe('products of matrices', matMul)
  describe('group normalisation', groupNorms)
  describe('native operations', nativeOps)
  describe('optimisers', () => optimizers('wasm'))
  describe('a training step', trainingStep)
}
