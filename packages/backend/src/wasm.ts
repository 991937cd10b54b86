import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { commonJs, isMissing } from './environment.js'
import type { Started } from './started.js'

/** The folder of tfjs-wasm's binaries, or each one's place by its file name. */
export type WasmPaths = string | Record<string, string>

type WasmPackage = typeof import('@tensorflow/tfjs-backend-wasm')

/** tfjs sizes its thread pool for up to eight workers. */
const MAX_THREADS = 8

const THREADS_FLAG = 'WASM_HAS_MULTITHREAD_SUPPORT'

/** How threads come about elsewhere than in browsers, which have no use for the code of it. */
export interface Threading {
  cores(): Promise<number>
  /** Starts and selects tfjs-wasm with this many threads. @throws Error saying why it did not start. */
  start(wasm: WasmPackage, threads: number, wasmPaths: WasmPaths | undefined): Promise<void>
}

export interface WasmOptions {
  threads?: number | 'auto'
  wasmPaths?: WasmPaths
}

const coresOfBrowser = async (): Promise<number> => navigator.hardwareConcurrency || 1

const setPaths = (wasm: WasmPackage, paths: WasmPaths): void => {
  wasm.setWasmPaths(paths as Parameters<WasmPackage['setWasmPaths']>[0])
}

/** The threaded build starts eight workers whatever is asked for; those left over only hold memory. */
const endIdleWorkers = (): void => {
  const { wasm } = tf.backend() as unknown as { wasm: { PThread?: { unusedWorkers: { terminate(): unknown }[] } } }
  for (const worker of wasm.PThread?.unusedWorkers.splice(0) ?? []) worker.terminate()
}

/**
 * tfjs takes at most half of `navigator.hardwareConcurrency` threads, so one thread on two cores; it reads that number
 * while it starts. For that time the browser reports twice the threads wanted.
 */
const startThreadsInBrowser = async (threads: number): Promise<void> => {
  Object.defineProperty(navigator, 'hardwareConcurrency', { value: 2 * threads, configurable: true })
  try {
    if (!(await tf.setBackend('wasm'))) throw new Error('the threaded build did not start')
  } finally {
    // The real value is an accessor of the prototype, which the own property only hid.
    delete (navigator as { hardwareConcurrency?: number }).hardwareConcurrency
  }
}

const note = (threads: number, simd: boolean, remark = ''): string =>
  `${threads} ${threads === 1 ? 'thread' : 'threads'}, ${simd ? 'SIMD' : 'no SIMD'}${remark && `; ${remark}`}`

const running = async (wasm: WasmPackage, remark?: string): Promise<Started> => {
  const simd = Boolean(await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT'))
  const threaded = Boolean((tf.backend() as unknown as { wasm: { PThread?: unknown } }).wasm.PThread)
  const threads = threaded ? wasm.getThreadsCount() : 1
  return { threads, simd, note: note(threads, simd, remark) }
}

/** @param threading how threads come about outside browsers. */
export const startWasm = async (
  { threads = 'auto', wasmPaths }: WasmOptions,
  threading?: Threading,
): Promise<Started> => {
  const wasm = await import('@tensorflow/tfjs-backend-wasm').then(
    module => commonJs<WasmPackage>(module, 'setWasmPaths'),
    error => {
      if (!isMissing(error, '@tensorflow/tfjs-backend-wasm')) throw error
      throw new FxError('missing-package', '@tensorflow/tfjs-backend-wasm is not installed.', { cause: error })
    },
  )
  if (tf.engine().registryFactory.wasm === undefined) {
    throw new FxError(
      'backend-unavailable',
      'The wasm backend was removed from tfjs (tf.removeBackend) and cannot be registered again in this process.',
    )
  }
  if ('wasm' in tf.engine().registry) {
    await tf.setBackend('wasm')
    return running(wasm, 'it was running already')
  }
  if (wasmPaths !== undefined) setPaths(wasm, wasmPaths)

  const cores = threading?.cores ?? coresOfBrowser
  const wanted = Math.min(threads === 'auto' ? await cores() : threads, MAX_THREADS)
  let remark: string | undefined
  if (wanted > 1) {
    try {
      wasm.setThreadsCount(wanted)
      if (threading !== undefined) {
        await threading.start(wasm, wanted, wasmPaths)
      } else if (await tf.env().getAsync(THREADS_FLAG)) {
        await startThreadsInBrowser(wanted)
      } else {
        throw new Error('the page is not cross-origin isolated (COOP and COEP headers)')
      }
      endIdleWorkers()
      return await running(wasm)
    } catch (error) {
      remark = `threads are off because ${(error as Error).message}`
    }
  }
  // Only for this start: after `stopBackend` the next one may have threads.
  const supported = await tf.env().getAsync(THREADS_FLAG)
  tf.env().set(THREADS_FLAG, false)
  try {
    if (!(await tf.setBackend('wasm'))) {
      throw new FxError('backend-unavailable', 'tfjs could not load its .wasm file; check wasmPaths.')
    }
  } finally {
    tf.env().set(THREADS_FLAG, supported)
  }
  return running(wasm, remark)
}
