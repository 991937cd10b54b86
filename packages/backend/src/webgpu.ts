import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { importUnbundled, isMissing, isNode } from './environment.js'
import type { Started } from './prepare.js'
import { softwareNames } from './software.js'

/** The part of the WebGPU API that is used here. */
interface Adapter {
  isFallbackAdapter?: boolean
  info?: { isFallbackAdapter?: boolean; vendor?: string; architecture?: string; device?: string; description?: string }
}
interface Gpu {
  requestAdapter(): Promise<Adapter | null>
}

const describe = ({ info = {} }: Adapter): string =>
  [info.vendor, info.architecture, info.device, info.description].filter(Boolean).join(' ') || 'unnamed adapter'

const isSoftware = (adapter: Adapter): boolean =>
  Boolean(adapter.isFallbackAdapter || adapter.info?.isFallbackAdapter || softwareNames.test(describe(adapter)))

/** False on a Linux without any graphics device: loading Vulkan there only prints warnings. */
const mayHaveGpu = async (): Promise<boolean> => {
  if (!isNode() || process.platform !== 'linux') return true
  const { existsSync } = (await importUnbundled('node:fs')) as { existsSync(path: string): boolean }
  return ['/dev/dri', '/dev/nvidia0', '/dev/dxg'].some(existsSync)
}

/** The platform's WebGPU, or in Node the one of the optional package `webgpu` (Dawn). */
const findGpu = async (allowSoftware: boolean): Promise<{ gpu: Gpu; adopt: () => void }> => {
  const platform = (globalThis.navigator as { gpu?: Gpu } | undefined)?.gpu
  if (platform) return { gpu: platform, adopt: () => {} }
  if (!isNode()) throw new FxError('backend-unavailable', 'This browser has no WebGPU (navigator.gpu).')
  if (!allowSoftware && !(await mayHaveGpu())) {
    throw new FxError('backend-unavailable', 'This machine has no graphics device.')
  }
  const dawn = (await importUnbundled('webgpu').catch(error => {
    if (!isMissing(error, 'webgpu')) throw error
    throw new FxError('missing-package', 'Node has no WebGPU of its own, and the package webgpu is not installed.', {
      cause: error,
    })
  })) as { create(flags: string[]): Gpu; globals: object }
  const gpu = dawn.create([])
  return {
    gpu,
    adopt() {
      Object.assign(globalThis, dawn.globals)
      if (typeof navigator === 'undefined') Object.assign(globalThis, { navigator: {} })
      Object.defineProperty(navigator, 'gpu', { value: gpu, configurable: true })
    },
  }
}

/** @param allowSoftware accept an adapter that computes on the CPU: correct, but slower than wasm. */
export const startWebgpu = async ({ allowSoftware }: { allowSoftware: boolean }): Promise<Started> => {
  const { gpu, adopt } = await findGpu(allowSoftware)
  const adapter = await gpu.requestAdapter()
  if (!adapter) throw new FxError('backend-unavailable', 'WebGPU finds no graphics adapter.')
  const software = isSoftware(adapter)
  if (software && !allowSoftware) {
    throw new FxError('backend-unavailable', `WebGPU has only a software adapter (${describe(adapter)}).`)
  }
  adopt()
  await import('@tensorflow/tfjs-backend-webgpu').catch(error => {
    if (!isMissing(error, '@tensorflow/tfjs-backend-webgpu')) throw error
    throw new FxError('missing-package', '@tensorflow/tfjs-backend-webgpu is not installed.', { cause: error })
  })
  if (!(await tf.setBackend('webgpu'))) throw new FxError('backend-unavailable', 'tfjs could not start on WebGPU.')
  return { threads: 1, simd: false, note: `${software ? 'software adapter, slow: ' : ''}${describe(adapter)}` }
}
