import { FxError } from '@fx/core'
import { importUnbundled, isMissing } from './environment.js'
import type { FoundGpu, Gpu } from './webgpu.js'

/** False on a Linux without any graphics device: loading Vulkan there only prints warnings. */
const mayHaveGpu = async (): Promise<boolean> => {
  if (process.platform !== 'linux') return true
  const { existsSync } = (await importUnbundled('node:fs')) as { existsSync(path: string): boolean }
  return ['/dev/dri', '/dev/nvidia0', '/dev/dxg'].some(existsSync)
}

/** Node's WebGPU: its own, where it has one, or that of the optional package `webgpu` (Dawn). */
export const gpuOfNode = async (allowSoftware: boolean): Promise<FoundGpu> => {
  const { gpu: own } = (globalThis.navigator ?? {}) as { gpu?: Gpu }
  if (own !== undefined) return { gpu: own }
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
