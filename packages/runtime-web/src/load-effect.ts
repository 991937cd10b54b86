import { type EffectBundleManifest, FxError } from '@fx/core'
import { throwIfAborted } from './aborted.js'
import { manifestUrl } from './bundle/manifest-url.js'
import { type BackendOptions, disposedError, type Engine } from './engine/types.js'
import { loadWorkerEngine } from './engine/worker-engine.js'
import { createLatency, type EffectStats } from './latency.js'
import { newestWins } from './newest-wins.js'
import { type EffectSource, frameOf } from './source.js'
import { startWorker } from './start-worker.js'

export interface LoadEffectOptions extends BackendOptions {
  /**
   * Run in a worker, so that the page stays smooth. `true` starts the worker of this package; a function may start it
   * where a bundler needs to be told: `() => new Worker(new URL('@fx/runtime-web/worker', import.meta.url), ...)`.
   * Default true.
   */
  worker?: boolean | (() => Worker)
  /** Ends loading with an FxError `aborted`. */
  signal?: AbortSignal
}

export interface RunOptions {
  /** Values of effect parameters; the others keep their default. */
  parameters?: Record<string, number>
}

/** A loaded effect. */
export interface Effect {
  readonly manifest: EffectBundleManifest
  /**
   * The effect on a picture: the crop of the bundle, at the student's size. Calls are answered in order. The source stays
   * the caller's and must stay as it is until the promise settles.
   *
   * @throws FxError `invalid-argument` (no picture, a foreign origin's picture, a bad parameter), `aborted` (disposed).
   */
  run(source: EffectSource, options?: RunOptions): Promise<ImageData>
  /**
   * Paints the effect over the whole canvas, whose size the caller chooses (the crop's shape avoids distortion). One
   * frame is in flight for each canvas, and of those that wait the newest wins.
   *
   * @returns whether it was painted; `false` when a newer frame overtook it.
   * @throws FxError as `run`.
   */
  draw(source: EffectSource, canvas: HTMLCanvasElement | OffscreenCanvas, options?: RunOptions): Promise<boolean>
  stats(): EffectStats
  /** Ends the worker or frees the tensors. Frames in flight, and later calls, fail with FxError `aborted`. */
  dispose(): void
}

/** The first thing a browser lacks, if any. */
const requirePlatform = (): void => {
  for (const name of ['WebAssembly', 'OffscreenCanvas', 'createImageBitmap', 'ImageData'] as const) {
    if (typeof (globalThis as Record<string, unknown>)[name] === 'undefined') {
      throw new FxError('unsupported', `This browser has no ${name}, which running an effect needs`, {
        details: { missing: name },
      })
    }
  }
}

/** The options with URLs that mean the same in a worker, whose own URL is another. */
const absolute = ({ wasmPaths, ...options }: BackendOptions, base: string): BackendOptions => {
  if (wasmPaths === undefined) return options
  const url = (path: string): string => new URL(path, base).href
  const map = (paths: Record<string, string>) =>
    Object.fromEntries(Object.entries(paths).map(([file, path]) => [file, url(path)]))
  return { ...options, wasmPaths: typeof wasmPaths === 'string' ? url(wasmPaths) : map(wasmPaths) }
}

type Canvas = HTMLCanvasElement | OffscreenCanvas

const paint = (image: ImageData, canvas: Canvas, scratch: OffscreenCanvas): void => {
  const context = canvas.getContext('2d') as CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D | null
  if (context === null) throw new FxError('invalid-argument', 'The canvas has another context than 2d')
  if (canvas.width === image.width && canvas.height === image.height) {
    context.putImageData(image, 0, 0)
    return
  }
  scratch.getContext('2d')!.putImageData(image, 0, 0)
  context.imageSmoothingQuality = 'high'
  context.drawImage(scratch, 0, 0, canvas.width, canvas.height)
}

const createEffect = (engine: Engine, inWorker: boolean): Effect => {
  const { manifest, backend } = engine
  const { width, height } = manifest.input
  const latency = createLatency()
  const queues = new WeakMap<Canvas, ReturnType<typeof newestWins>>()
  let scratch: OffscreenCanvas | undefined
  let disposed = false

  const run: Effect['run'] = async (source, { parameters = {} } = {}) => {
    if (disposed) throw disposedError()
    const start = performance.now()
    const { frame, made } = await frameOf(source, inWorker)
    try {
      const pixels = await engine.run(frame, parameters)
      latency.add(performance.now() - start)
      return new ImageData(pixels, width, height)
    } finally {
      // Closing again what the worker was given does nothing; what never reached it is freed.
      if (made && 'close' in frame) frame.close()
    }
  }

  return {
    manifest,
    run,
    draw: (source, canvas, options) => {
      let queue = queues.get(canvas)
      if (queue === undefined) {
        queue = newestWins()
        queues.set(canvas, queue)
      }
      return queue(async () => {
        const image = await run(source, options)
        scratch ??= new OffscreenCanvas(width, height)
        paint(image, canvas, scratch)
      })
    },
    stats: () => ({ backend: backend.name, threads: backend.threads, ...latency.summary() }),
    dispose: () => {
      disposed = true
      engine.dispose()
    },
  }
}

/**
 * Loads an effect bundle, checks every file that it needs, starts a backend and proves it on the bundle's probe.
 *
 * @param url of the bundle's folder or of its `effect.json`, relative to the page.
 * @throws FxError
 *   `not-found`, `service-failed` (the server), `corrupt-file` (HTML in place of JSON, truncated weights),
 *   `checksum-mismatch`, `newer-version` (the bundle is newer than this package), `backend-unavailable` (none works, or
 *   it computes the probe wrongly), `unsupported` (this browser lacks something, which is named), `invalid-argument`,
 *   `aborted`.
 */
export const loadEffect = async (url: string | URL, options: LoadEffectOptions = {}): Promise<Effect> => {
  const { worker = true, signal, ...rest } = options
  requirePlatform()
  const page = globalThis.location.href
  const resolved = manifestUrl(String(url), page)
  const backendOptions = absolute(rest, page)
  throwIfAborted(signal)
  if (worker === false) {
    // Loaded only here: a page that uses the worker carries no tfjs of its own.
    const { loadEngine } = await import('./engine/engine.js')
    return createEffect(await loadEngine(resolved, backendOptions, signal), false)
  }
  const started = worker === true ? startWorker() : worker()
  return createEffect(await loadWorkerEngine(started, resolved, backendOptions, signal), true)
}
