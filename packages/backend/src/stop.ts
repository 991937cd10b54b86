import * as tf from '@tensorflow/tfjs-core'
import type { BackendName } from './prepare.js'

/** What of a backend keeps memory or threads after tfjs has let go of it. */
interface Resources {
  device?: { destroy(): void }
  gpgpu?: { gl: WebGL2RenderingContext }
}

/** The kernels of tfjs-wasm hold functions of the module, and by them its memory; bound to nothing they hold nothing. */
const releaseKernels = (name: string): void => {
  if (name !== 'wasm') return
  const nothing = { wasm: { cwrap: () => undefined } }
  for (const { setupFunc } of tf.getKernelsForBackend(name)) setupFunc?.(nothing as never)
}

/**
 * Frees a running tfjs backend: its memory, its threads, its GPU device or context. The tensors on it are gone; dispose of
 * them before. It may be prepared again, also after its context or device was lost. One that does not run is left as it is.
 */
export const stopBackend = (name: BackendName): void => {
  const { registry, registryFactory } = tf.engine()
  if (!(name in registry)) return
  const { factory, priority } = registryFactory[name]!
  const { device, gpgpu } = registry[name] as unknown as Resources
  try {
    tf.removeBackend(name)
  } catch {
    // What died of an abort may throw when it is told to clean up.
    delete registry[name]
    tf.removeBackend(name)
  }
  releaseKernels(name)
  device?.destroy()
  gpgpu?.gl.getExtension('WEBGL_lose_context')?.loseContext()
  tf.registerBackend(name, factory, priority)
}
