import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { isMissing } from './environment.js'
import { softwareNames } from './software.js'
import type { Started } from './started.js'

/** The part of the WebGPU API that is used here. */
interface Adapter {
  isFallbackAdapter?: boolean
  info?: { isFallbackAdapter?: boolean; vendor?: string; architecture?: string; device?: string; description?: string }
}
export interface Gpu {
  requestAdapter(): Promise<Adapter | null>
}

const describe = ({ info = {} }: Adapter): string =>
  [info.vendor, info.architecture, info.device, info.description].filter(Boolean).join(' ') || 'unnamed adapter'

const isSoftware = (adapter: Adapter): boolean =>
  Boolean(adapter.isFallbackAdapter || adapter.info?.isFallbackAdapter || softwareNames.test(describe(adapter)))

/** A GPU, and what must happen before tfjs can use it. */
export interface FoundGpu {
  gpu: Gpu
  adopt?(): void
}

const gpuOfBrowser = async (): Promise<FoundGpu> => {
  const { gpu } = navigator as { gpu?: Gpu }
  if (gpu === undefined) throw new FxError('backend-unavailable', 'This browser has no WebGPU (navigator.gpu).')
  return { gpu }
}

/**
 * @param allowSoftware accept an adapter that computes on the CPU: correct, but slower than wasm.
 * @param findGpu where there is a GPU outside browsers.
 */
export const startWebgpu = async (
  { allowSoftware }: { allowSoftware: boolean },
  findGpu: (allowSoftware: boolean) => Promise<FoundGpu> = gpuOfBrowser,
): Promise<Started> => {
  const { gpu, adopt } = await findGpu(allowSoftware)
  const adapter = await gpu.requestAdapter()
  if (!adapter) throw new FxError('backend-unavailable', 'WebGPU finds no graphics adapter.')
  const software = isSoftware(adapter)
  if (software && !allowSoftware) {
    throw new FxError('backend-unavailable', `WebGPU has only a software adapter (${describe(adapter)}).`)
  }
  adopt?.()
  await import('@tensorflow/tfjs-backend-webgpu').catch(error => {
    if (!isMissing(error, '@tensorflow/tfjs-backend-webgpu')) throw error
    throw new FxError('missing-package', '@tensorflow/tfjs-backend-webgpu is not installed.', { cause: error })
  })
  if (!(await tf.setBackend('webgpu'))) throw new FxError('backend-unavailable', 'tfjs could not start on WebGPU.')
  return { threads: 1, simd: false, note: `${software ? 'software adapter, slow: ' : ''}${describe(adapter)}` }
}
