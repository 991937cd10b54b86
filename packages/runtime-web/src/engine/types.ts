import { type EffectBundleManifest, FxError } from '@fx/core'
import type { Frame } from '../frame/capture.js'

export interface BackendOptions {
  /** Threads of the wasm backend. More than one needs a cross-origin isolated page. */
  threads?: number
  /** Where tfjs-wasm's `.wasm` files are served: a folder's URL that ends in `/`, or a URL for each file name. */
  wasmPaths?: string | Record<string, string>
}

/** What runs the frames of one effect: in this thread, or in a worker behind the same face. */
export interface Engine {
  readonly manifest: EffectBundleManifest
  readonly backend: { name: string; threads: number }
  /**
   * Frames are answered in the order in which they came. A frame that was transferred is closed.
   *
   * @returns opaque RGBA bytes of the student's size.
   */
  run(frame: Frame, parameters: Record<string, number>): Promise<Uint8ClampedArray<ArrayBuffer>>
  dispose(): void
}

export const disposedError = (): FxError => new FxError('aborted', 'This effect was disposed')
