import { type EffectBundleManifest, FxError } from '@fx/core'
import type { Frame } from '../frame/capture.js'

export interface BackendOptions {
  /** A tfjs backend by name; `auto`, the default, takes the fastest that works here. */
  backend?: 'auto' | 'webgpu' | 'wasm' | 'cpu'
  /** Threads of the wasm backend, by default one for each core, up to four. More than one needs cross-origin isolation. */
  threads?: number
  /**
   * Where the `.wasm` files of `@tensorflow/tfjs-backend-wasm` are served: a folder's URL that ends in `/`, or the URL of
   * each by its file name. Relative to the page.
   */
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
