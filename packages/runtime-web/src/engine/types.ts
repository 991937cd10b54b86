import { FxError } from '@fx/core'
import type { BundleReader } from '../bundle/reader.js'

/** What can run a student: three backends of tfjs and LiteRT.js; `cpu`, plain JavaScript, where nothing else works. */
export type EngineName = 'webgpu' | 'webgl' | 'wasm' | 'litert' | 'cpu'

/** One student, loaded into one engine and proven on the bundle's probe. Runs must not overlap. */
export interface StudentRunner {
  readonly engine: EngineName
  /** Threads that compute; 1 on a GPU. */
  readonly threads: number
  /** The student's size, pixels. */
  readonly width: number
  readonly height: number
  /** How many values a run takes: the number of the effect's parameters, or 0 for a student that takes none. */
  readonly parameters: number
  /** Where the next picture is drawn, of the student's size, opaque. In main memory for wasm, litert and cpu, else on the GPU. */
  readonly input: OffscreenCanvasRenderingContext2D
  /**
   * Runs the student on what `input` shows. On a GPU it settles when the work is on its way; the next run waits for it.
   *
   * @param values of the effect's parameters, in the order of its spec; empty where `parameters` is 0.
   * @returns a canvas of the student's size, overwritten by the next run; with alpha where the bundle's output has 4
   *   channels.
   * @throws FxError `backend-unavailable` when the engine died (WebGL context or WebGPU device lost, wasm aborted, out of
   *   memory): dispose of the runner and open another. `invalid-argument` for another number of values.
   */
  run(values: readonly number[]): Promise<OffscreenCanvas>
  /** Tensors and their bytes that live in this engine now. */
  memory(): { tensors: number; bytes: number }
  /** Frees the student, and the engine when no other student runs in it. */
  dispose(): void
}

export interface EngineOptions {
  /** Threads of wasm and litert, by default one for each core, up to four. More than one needs cross-origin isolation. */
  threads?: number
  /**
   * Where the `.wasm` files of `@tensorflow/tfjs-backend-wasm` are served: a folder's URL that ends in `/`, or the URL of
   * each by its file name. Absolute in a worker.
   */
  wasmPaths?: string | Record<string, string>
  /** Where the folder `wasm` of `@litertjs/core` is served: a URL that ends in `/`. Absolute in a worker. */
  litertPath?: string
}

export interface OpenStudentOptions extends EngineOptions {
  engine: EngineName
  /** One of the bundle's smaller models, by its size. Default: the bundle's own. */
  size?: { width: number; height: number }
  /** Take a GPU adapter that computes on the CPU: correct, but slower than wasm. Default true. */
  software?: boolean
  signal?: AbortSignal
}

/** Opens a student of a bundle in one engine: fetches what that needs, loads it, proves it on the probe. */
export type OpenStudent = (bundle: BundleReader, options: OpenStudentOptions) => Promise<StudentRunner>

/** How one engine did when it was considered. */
export interface EngineTrial {
  engine: EngineName
  /** Whether it started and computes the probe correctly. */
  usable: boolean
  /** One sentence: why it was taken or not. */
  reason: string
  /** Median time of a run, ms, where it was measured. */
  p50Ms?: number
}

export interface ChooseEngineOptions extends Omit<OpenStudentOptions, 'engine' | 'software'> {
  /** Candidates. Those that are named may compute on a software adapter. Default: all, on real adapters only. */
  engines?: readonly EngineName[]
  /** Tried first, and taken without measuring the others when it is correct: what was remembered. */
  prefer?: EngineName
  /** Not tried: what has failed. */
  except?: readonly EngineName[]
}

/** The fastest engine that is correct, and how each candidate did, in the order in which they were tried. */
export interface ChosenEngine {
  runner: StudentRunner
  tried: readonly EngineTrial[]
}

export const disposedError = (): FxError => new FxError('aborted', 'This effect was disposed')
