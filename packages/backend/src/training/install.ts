import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { activationGradients, activationKernels } from './activation.js'
import { batchNormGradients, batchNormKernels } from './batchNorm.js'
import { convKernels } from './convKernels.js'
import { identityKernels } from './identity.js'
import { compileNative } from './native.js'
import { overrideGradient, overrideKernel } from './override.js'

let users = 0
let undo: (() => void)[] = []

/**
 * Registers what training on tfjs-wasm needs: the missing convolution gradients, and fast versions of slow kernels and
 * gradients. Other backends keep their behaviour. Call it after `prepareBackend`, before training.
 *
 * May be called any number of times; each returned function takes back one call, and the last one restores every
 * original registration.
 *
 * @throws FxError `backend-unavailable` when WebAssembly has no SIMD; `missing-package` when no package has registered
 *   tfjs's own gradients yet.
 */
export const installTrainingKernels = async (): Promise<() => void> => {
  if (!tf.getGradient(tf.Conv2D)) {
    throw new FxError(
      'missing-package',
      'tfjs has no gradients registered: import @tensorflow/tfjs-layers (or @tensorflow/tfjs) first.',
    )
  }
  await compileNative()
  if (users === 0) {
    undo = [
      ...[...convKernels, ...batchNormKernels, ...activationKernels, ...identityKernels].map(overrideKernel),
      ...[...batchNormGradients, ...activationGradients].map(overrideGradient),
    ]
  }
  users++
  let installed = true
  return () => {
    if (!installed) return
    installed = false
    users--
    if (users > 0) return
    for (const step of undo.reverse()) step()
    undo = []
  }
}
