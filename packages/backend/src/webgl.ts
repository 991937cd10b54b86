import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { isMissing } from './environment.js'
import { softwareNames } from './software.js'
import type { Started } from './started.js'
import { stopBackend } from './stop.js'

type WebglPackage = typeof import('@tensorflow/tfjs-backend-webgl')

/** The part of tfjs's backend that is used here. */
interface RunningBackend {
  gpgpu: { gl: WebGL2RenderingContext }
}

const rendererOf = (gl: WebGL2RenderingContext): string => {
  // Chromium tells the real name only through the extension, Firefox only without it.
  const extension = gl.getExtension('WEBGL_debug_renderer_info')
  return String(gl.getParameter(extension === null ? gl.RENDERER : extension.UNMASKED_RENDERER_WEBGL))
}

const createContext = (allowSoftware: boolean): WebGL2RenderingContext => {
  if (typeof OffscreenCanvas === 'undefined') {
    throw new FxError('backend-unavailable', 'This environment has no OffscreenCanvas.')
  }
  const gl = new OffscreenCanvas(1, 1).getContext('webgl2', {
    // tfjs's own context is opaque, so that nothing transparent could ever be drawn with it.
    alpha: true,
    antialias: false,
    depth: false,
    stencil: false,
    powerPreference: 'high-performance',
    failIfMajorPerformanceCaveat: !allowSoftware,
  })
  if (gl === null) {
    throw new FxError(
      'backend-unavailable',
      `This browser gives no WebGL 2 context${allowSoftware ? '' : ', or only a software one'}.`,
    )
  }
  return gl
}

const contextOf = (): WebGL2RenderingContext | undefined =>
  (tf.engine().registry.webgl as unknown as RunningBackend | undefined)?.gpgpu.gl

const started = (renderer: string): Started => {
  const software = softwareNames.test(renderer)
  return { threads: 1, simd: false, note: `${software ? 'software adapter, slow: ' : ''}${renderer}` }
}

/**
 * Starts tfjs on a WebGL 2 context of its own, whose canvas has alpha. A context that was lost is replaced.
 *
 * @param allowSoftware accept an adapter that computes on the CPU: correct, but slower than wasm.
 */
export const startWebgl = async ({ allowSoftware }: { allowSoftware: boolean }): Promise<Started> => {
  const running = contextOf()
  if (running?.isContextLost() === false) {
    await tf.setBackend('webgl')
    return started(`${rendererOf(running)}; it was running already`)
  }
  if (running !== undefined) stopBackend('webgl')
  const gl = createContext(allowSoftware)
  const renderer = rendererOf(gl)
  if (!allowSoftware && softwareNames.test(renderer)) {
    gl.getExtension('WEBGL_lose_context')?.loseContext()
    throw new FxError('backend-unavailable', `WebGL has only a software adapter (${renderer}).`)
  }
  const webgl: WebglPackage = await import('@tensorflow/tfjs-backend-webgl').catch(error => {
    if (!isMissing(error, '@tensorflow/tfjs-backend-webgl')) throw error
    throw new FxError('missing-package', '@tensorflow/tfjs-backend-webgl is not installed.', { cause: error })
  })
  // tfjs looks at this context, too, to learn what the device can do.
  webgl.setWebGLContext(2, gl)
  tf.removeBackend('webgl')
  tf.registerBackend(
    'webgl',
    () => new webgl.MathBackendWebGL(new webgl.GPGPUContext(gl.isContextLost() ? createContext(allowSoftware) : gl)),
    2,
  )
  if (!(await tf.setBackend('webgl'))) throw new FxError('backend-unavailable', 'tfjs could not start on WebGL.')
  return started(renderer)
}
