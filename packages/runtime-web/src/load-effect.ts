import { type EffectBundleManifest, FxError, listed } from '@fx/core'
import { throwIfAborted } from './aborted.js'
import { manifestUrl } from './bundle/manifest-url.js'
import { rememberEngine, rememberedEngine } from './engine/remember.js'
import { disposedError, type EngineName, type EngineOptions, type EngineTrial } from './engine/types.js'
import type { Frame } from './frame/frame.js'
import type { Renderer } from './frame/renderer.js'
import type { EngineReport } from './frame/students.js'
import { setInternals } from './internals.js'
import { newestWins } from './newest-wins.js'
import { createParameters } from './parameters.js'
import { createTimes } from './player/stage-times.js'
import { type Canvas, createPainter, type Painter } from './sink/painter.js'
import { type EffectSource, frameOf } from './source/picture.js'
import { startWorker } from './start-worker.js'
import type { Read, Started, StartOptions } from './worker/messages.js'
import { loadInWorker } from './worker/remote-renderer.js'

export interface LoadEffectOptions extends EngineOptions {
  /**
   * What computes. `auto`, the default, times what works here for a moment, keeps the fastest that answers the bundle's
   * probe correctly, and remembers it for the next visit. A list is what it may choose from.
   */
  engine?: 'auto' | EngineName | readonly EngineName[]
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
  /** Values of effect parameters for this call; the others are as set. */
  parameters?: Readonly<Record<string, number>>
}

/** How fast an effect runs here, its players included. Times are of the last 120 frames, ms, from having the picture. */
export interface EffectStats {
  /** As of the last frame: when an engine fails the next one takes over. */
  engine: EngineName
  threads: number
  /** How each engine did that was considered when the effect was loaded. */
  tried: readonly EngineTrial[]
  /** Frames since the effect was loaded. */
  frames: number
  lastMs: number
  p50Ms: number
  p95Ms: number
}

/** A loaded effect. */
export interface Effect {
  readonly manifest: EffectBundleManifest
  /**
   * Sets parameters, from the next frame on.
   *
   * @throws FxError `invalid-argument` for a name that the effect lacks, a value out of its range, a student that takes
   *   none; then nothing is set.
   */
  set(parameters: Readonly<Record<string, number>>): void
  /**
   * The student's answer to a picture: the crop of the bundle (of 'face' the centred square), at the student's size, with
   * the student's alpha if it has one. Calls are answered in order. The source stays the caller's and must stay as it is
   * until the promise settles.
   *
   * @throws FxError `invalid-argument` (no picture, a foreign origin's picture, a bad parameter), `backend-unavailable`
   *   (every engine has failed), `aborted` (disposed).
   */
  run(source: EffectSource, options?: RunOptions): Promise<ImageData>
  /**
   * Paints a picture with the effect over the whole canvas, whose size the caller chooses: undistorted, cut where its
   * shape differs. One picture is in flight for each canvas, and of those that wait the newest wins.
   *
   * @returns whether it was painted; `false` when a newer one overtook it.
   * @throws FxError as `run`.
   */
  draw(source: EffectSource, canvas: Canvas, options?: RunOptions): Promise<boolean>
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
const absolute = ({ threads, wasmPaths, litertPath }: EngineOptions, base: string): EngineOptions => {
  const url = (path: string): string => new URL(path, base).href
  const map = (paths: Record<string, string>) =>
    Object.fromEntries(Object.entries(paths).map(([file, path]) => [file, url(path)]))
  return {
    threads,
    wasmPaths: wasmPaths && (typeof wasmPaths === 'string' ? url(wasmPaths) : map(wasmPaths)),
    litertPath: litertPath && url(litertPath),
  }
}

const names: readonly EngineName[] = ['webgpu', 'webgl', 'wasm', 'litert', 'cpu']

/** The engines to choose from; undefined for all. */
const candidates = (engine: LoadEffectOptions['engine'] = 'auto'): readonly EngineName[] | undefined => {
  if (engine === 'auto') return undefined
  const list = typeof engine === 'string' ? [engine] : engine
  const stranger = list.find(name => !names.includes(name))
  if (stranger !== undefined || list.length === 0) {
    const allowed = listed(['auto', ...names])
    throw new FxError('invalid-argument', `Unknown engine '${stranger ?? ''}', allowed are ${allowed}`)
  }
  return list
}

const createEffect = (loaded: Read & Started, renderer: Renderer, workers: number): Effect => {
  const { manifest, tried, takesParameters } = loaded
  const parameters = createParameters(manifest.effect, takesParameters)
  const times = createTimes()
  const sinks = new WeakMap<Canvas, { queue: ReturnType<typeof newestWins>; paint: Painter }>()
  let engine: EngineReport = loaded.engine
  let disposed = false

  /** Notes what an answer tells, and how long it took since `start`. */
  const noted = async <Result extends { engine: EngineReport }>(
    start: number,
    answer: Promise<Result>,
  ): Promise<Result> => {
    const result = await answer
    engine = result.engine
    times.add(performance.now() - start)
    return result
  }

  /** A frame of the source, answered. */
  const answer = async <Result extends { engine: EngineReport }>(
    source: EffectSource,
    options: RunOptions | undefined,
    ask: (frame: Frame, values: number[]) => Promise<Result>,
  ): Promise<Result> => {
    if (disposed) throw disposedError()
    const values = parameters.values(options?.parameters)
    const start = performance.now()
    const frame = await frameOf(source)
    return noted(start, ask(frame, values))
  }

  const sinkOf = (canvas: Canvas) => {
    let sink = sinks.get(canvas)
    if (sink === undefined) {
      sink = { queue: newestWins(), paint: createPainter(canvas, '2d') }
      sinks.set(canvas, sink)
    }
    return sink
  }

  const effect: Effect = {
    manifest,
    set: parameters.set,
    run: async (source, options) => {
      const { pixels, width, height } = await answer(source, options, renderer.run)
      return new ImageData(pixels, width, height)
    },
    draw: async (source, canvas, options) => {
      const { queue, paint } = sinkOf(canvas)
      return queue(async () => {
        const { width, height } = canvas
        const { picture } = await answer(source, options, (frame, values) =>
          renderer.render(frame, { values, output: { width, height }, ...plainLook }),
        )
        paint(picture)
      })
    },
    stats: () => ({
      engine: engine.name,
      threads: engine.threads,
      tried,
      frames: times.count(),
      lastMs: times.last(),
      ...times.summary(),
    }),
    dispose: () => {
      disposed = true
      renderer.dispose()
    },
  }
  setInternals(effect, {
    ...renderer,
    parameters,
    workers,
    engine: () => engine,
    render: async (frame, look) => {
      if (disposed) {
        frame.close()
        throw disposedError()
      }
      return noted(performance.now(), renderer.render(frame, look))
    },
  })
  return effect
}

const plainLook = { mirror: false, split: undefined, mix: 1, crops: undefined, size: 0 }

/**
 * Loads an effect bundle, checks every file that it needs, chooses an engine and proves it on the bundle's probe.
 *
 * @param url of the bundle's folder or of its `effect.json`, relative to the page.
 * @throws FxError
 *   `not-found`, `service-failed` (the server), `corrupt-file` (HTML in place of JSON, truncated weights),
 *   `checksum-mismatch`, `newer-version` (the bundle is newer than this package), `backend-unavailable` (no engine works,
 *   or it computes the probe wrongly), `missing-package`, `unsupported` (this browser lacks something, which is named),
 *   `invalid-argument`, `aborted`.
 */
export const loadEffect = async (url: string | URL, options: LoadEffectOptions = {}): Promise<Effect> => {
  const { worker = true, signal, engine } = options
  requirePlatform()
  const page = globalThis.location.href
  const resolved = manifestUrl(String(url), page)
  const engines = candidates(engine)
  const startOptions = ({ hash }: Read): StartOptions => ({
    ...absolute(options, page),
    engines,
    prefer: engines?.length === 1 ? undefined : rememberedEngine(hash),
  })
  throwIfAborted(signal)
  let effect: Effect
  let loaded: Read & Started
  if (worker === false) {
    // Loaded only here: a page that uses the worker carries no tfjs of its own.
    const [{ openBundle }, { startHere }] = await Promise.all([import('./bundle/reader.js'), import('./start-here.js')])
    const bundle = await openBundle(resolved, signal)
    const { renderer, ...started } = await startHere(bundle, startOptions(bundle), signal)
    loaded = { manifest: bundle.manifest, hash: bundle.hash, ...started }
    effect = createEffect(loaded, renderer, 0)
  } else {
    const started = worker === true ? startWorker() : worker()
    const { renderer, ...rest } = await loadInWorker(started, resolved, startOptions, signal)
    loaded = rest
    effect = createEffect(loaded, renderer, 1)
  }
  if (engines?.length !== 1) rememberEngine(loaded.hash, loaded.engine.name)
  return effect
}
