// The threaded build of tfjs-wasm in Node. tfjs turns threads off there (tfjs issue 3830), because it hands its workers
// their code as Blob URLs, which Node's Worker does not take. The build itself is made for Node too: here it is started
// directly, with workers that get their code as text.
import * as tf from '@tensorflow/tfjs-core'
import { commonJs, importUnbundled } from './environment.js'
import { withoutNewListeners } from './listeners.js'
import type { WasmPaths } from './wasm.js'

const BUILD = '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd'
const BINARY = 'tfjs-backend-wasm-threaded-simd.wasm'
const START_TIMEOUT_MS = 30_000

interface NodeWorker {
  on(event: string, listener: (value: never) => void): unknown
  unref(): void
  terminate(): Promise<number>
}
type WorkerClass = new (source: string, options: { eval: true; execArgv: string[] }) => NodeWorker

interface EmscriptenModule {
  cwrap(name: string, result: string | null, args: string[]): (...args: number[]) => number
  PThread: { unusedWorkers: NodeWorker[]; runningWorkers: NodeWorker[] }
  tfjs?: Record<string, (...args: number[]) => number>
}

interface FactoryOptions {
  locateFile(path: string, folder: string): string
  instantiateWasm(
    imports: { env: Record<string, unknown> },
    receive: (instance: WebAssembly.Instance, module: WebAssembly.Module) => void,
  ): object
  onAbort(reason: unknown): void
}

type Factory = (options: FactoryOptions) => Promise<EmscriptenModule>

interface NodeModules {
  os: { availableParallelism(): number }
  workers: { Worker: WorkerClass }
  fs: { readFile(path: string): Promise<Uint8Array<ArrayBuffer>> }
}

const nodeModules = async (): Promise<NodeModules> => {
  const [os, workers, fs] = await Promise.all(
    ['node:os', 'node:worker_threads', 'node:fs/promises'].map(importUnbundled),
  )
  return { os, workers, fs } as NodeModules
}

export const nodeCores = async (): Promise<number> => (await nodeModules()).os.availableParallelism()

/** The functions that tfjs-wasm's own start-up wraps for its backend class. */
const wrapForTfjs = (module: EmscriptenModule): void => {
  module.tfjs = {
    init: module.cwrap('init', null, []),
    initWithThreadsCount: module.cwrap('init_with_threads_count', null, ['number']),
    getThreadsCount: module.cwrap('get_threads_count', 'number', []),
    registerTensor: module.cwrap('register_tensor', null, ['number', 'number', 'number']),
    disposeData: module.cwrap('dispose_data', null, ['number']),
    dispose: module.cwrap('dispose', null, []),
  }
}

/**
 * Runs `use` while the global Worker is ours. The build assigns Node's class to the global and then constructs its
 * workers from it, so the assignment is swallowed.
 */
const withGlobalWorker = <T>(worker: unknown, use: () => T): T => {
  const original = Object.getOwnPropertyDescriptor(globalThis, 'Worker')
  Object.defineProperty(globalThis, 'Worker', { configurable: true, get: () => worker, set: () => {} })
  try {
    return use()
  } finally {
    delete (globalThis as { Worker?: unknown }).Worker
    if (original) Object.defineProperty(globalThis, 'Worker', original)
  }
}

const load = async (threads: number, wasmPaths: WasmPaths | undefined): Promise<EmscriptenModule> => {
  const { workers, fs } = await nodeModules()
  const [build, workerModule] = await Promise.all([
    importUnbundled(`${BUILD}.js`) as Promise<{ default: Factory }>,
    importUnbundled(`${BUILD}.worker.js`),
  ])
  const { wasmWorkerContents } = commonJs<{ wasmWorkerContents: string }>(workerModule, 'wasmWorkerContents')

  return new Promise<EmscriptenModule>((resolve, reject) => {
    const started: NodeWorker[] = []
    const fail = (error: unknown): void => {
      clearTimeout(timer)
      for (const worker of started) void worker.terminate()
      reject(error instanceof Error ? error : new Error(String(error)))
    }
    const timer = setTimeout(() => fail(new Error('its workers did not start in time')), START_TIMEOUT_MS)

    class ThreadWorker extends workers.Worker {
      constructor() {
        // Without this process's flags: a module loader or `--input-type=module` would change what the code means.
        super(wasmWorkerContents.replaceAll('\n', '\\n'), { eval: true, execArgv: [] })
        started.push(this)
        super.on('error', fail)
      }
      override on(event: string, listener: (value: never) => void): unknown {
        // The build's own listener would throw out of the event loop, where nothing can fall back to one thread.
        return event === 'error' ? this : super.on(event, listener)
      }
    }

    let folder = ''
    const binary = (): string => {
      if (typeof wasmPaths === 'string') return `${wasmPaths}${BINARY}`
      return wasmPaths?.[BINARY] ?? `${folder}${BINARY}`
    }
    const options: FactoryOptions = {
      locateFile(path, prefix) {
        folder = prefix
        return prefix + path
      },
      instantiateWasm(imports, receive) {
        // tfjs takes at most half of the cores.
        imports.env.emscripten_num_logical_cores = () => 2 * threads
        fs.readFile(binary())
          .then(bytes => WebAssembly.instantiate(bytes, imports as WebAssembly.Imports))
          .then(({ instance, module }) => receive(instance, module))
          .catch(fail)
        return {}
      },
      onAbort: fail,
    }
    const finish = (module: EmscriptenModule): void => {
      clearTimeout(timer)
      resolve(module)
    }
    try {
      withGlobalWorker(ThreadWorker, () => build.default(options)).then(finish, fail)
    } catch (error) {
      fail(error)
    }
  })
}

/** Starts and selects tfjs-wasm with this many threads. @throws Error saying why it did not start. */
export const startThreadsInNode = async (
  wasm: typeof import('@tensorflow/tfjs-backend-wasm'),
  threads: number,
  wasmPaths: WasmPaths | undefined,
): Promise<void> => {
  const module = await withoutNewListeners(() => load(threads, wasmPaths))
  wrapForTfjs(module)
  const singleThreaded = tf.findBackendFactory('wasm')
  tf.removeBackend('wasm')
  tf.registerBackend('wasm', () => new wasm.BackendWasm(module as never), 2)
  if (!(await tf.setBackend('wasm'))) {
    tf.removeBackend('wasm')
    tf.registerBackend('wasm', singleThreaded, 2)
    throw new Error('the backend did not start')
  }
  // The thread pool waits for work for ever; it must not keep the process alive.
  for (const worker of [...module.PThread.runningWorkers, ...module.PThread.unusedWorkers]) worker.unref()
}
