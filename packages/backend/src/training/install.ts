import { activationGradients, activationKernels } from './activation.js'
import { batchNormGradients, batchNormKernels } from './batchNorm.js'
import { convKernels } from './convKernels.js'
import { groupNormGradient, groupNormKernels } from './groupNorm.js'
import { identityKernels } from './identity.js'
import { matMulKernels } from './matMul.js'
import { modulationKernels } from './modulation.js'
import { cpuModulation } from './modulationCpu.js'
import { compileNative } from './native.js'
import { counted, overrideGradient, overrideKernel, requireGradients } from './override.js'
import { correctResizeGradients } from './resize.js'

const install = counted(() => [
  ...[
    ...convKernels,
    ...batchNormKernels,
    ...activationKernels,
    ...groupNormKernels,
    ...identityKernels,
    ...matMulKernels,
    ...modulationKernels,
  ].map(overrideKernel),
  ...[...batchNormGradients, ...activationGradients].map(overrideGradient),
  groupNormGradient(),
  cpuModulation(),
  ...correctResizeGradients(),
])

/**
 * Registers what training on tfjs-wasm needs: the missing convolution gradients, fast versions of slow kernels and
 * gradients, and `FxGroupNorm`. Other backends keep their behaviour, except that the gradients of resizing are put right
 * on all of them and that cpu gets `FxModulatedActivation`, too. Call it after `prepareBackend`, before training.
 *
 * May be called any number of times; each returned function takes back one call, and the last one restores every
 * original registration.
 *
 * @throws FxError `backend-unavailable` when WebAssembly has no SIMD; `missing-package` when no package has registered
 *   tfjs's own gradients yet.
 */
export const installTrainingKernels = async (): Promise<() => void> => {
  requireGradients()
  await compileNative()
  return install()
}
