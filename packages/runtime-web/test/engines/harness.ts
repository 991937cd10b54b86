import { FxError } from '@fx/core'
import * as litert from '@litertjs/core'
import * as tf from '@tensorflow/tfjs-core'
import { manifestUrl } from '../../src/bundle/manifest-url.js'
import { type BundleReader, openBundle } from '../../src/bundle/reader.js'
import { chooseEngine } from '../../src/engine/choose-engine.js'
import { openStudent } from '../../src/engine/open-student.js'
import type { ChooseEngineOptions, OpenStudentOptions, StudentRunner } from '../../src/engine/types.js'

/** What the tests call, in a worker or in the page. Everything that crosses is plain JSON. */

const places = () => ({
  wasmPaths: new URL('/wasm/', location.href).href,
  litertPath: new URL('/litert/', location.href).href,
})
const bundleAt = (url: string): Promise<BundleReader> => openBundle(manifestUrl(url, location.href))

/** The students that are open, by the number that stands for them. */
const runners: StudentRunner[] = []

const describe = (runner: StudentRunner) => {
  const { engine, threads, width, height, parameters } = runner
  return { id: runners.push(runner) - 1, engine, threads, width, height, parameters }
}

/** The parts of engines that the tests break. */
interface Breakable {
  gpgpu?: { gl: WebGL2RenderingContext }
  device?: { destroy(): void }
  wasm?: Record<string, () => never>
}

const throwing = (): never => {
  throw new WebAssembly.RuntimeError('Aborted(OOM)')
}

const outcome = async (promise: Promise<unknown>) => {
  const error = await promise.then(
    () => undefined,
    (error: Error) => error,
  )
  return error && { code: FxError.isInstance(error) ? error.code : 'none', message: error.message }
}

export const harness = {
  open: async (url: string, options: OpenStudentOptions) =>
    describe(await openStudent(await bundleAt(url), { ...places(), ...options })),
  fail: async (url: string, options: OpenStudentOptions) =>
    outcome(openStudent(await bundleAt(url), { ...places(), ...options })),
  abort: async (url: string, options: OpenStudentOptions) => {
    const controller = new AbortController()
    const opening = openStudent(await bundleAt(url), { ...places(), ...options, signal: controller.signal })
    controller.abort()
    return outcome(opening)
  },
  failWithoutSimd: async (url: string) => {
    tf.env().set('WASM_HAS_SIMD_SUPPORT', false)
    try {
      return await outcome(openStudent(await bundleAt(url), { ...places(), engine: 'wasm' }))
    } finally {
      tf.env().set('WASM_HAS_SIMD_SUPPORT', true)
    }
  },
  choose: async (url: string, options: ChooseEngineOptions) => {
    const { runner, tried } = await chooseEngine(await bundleAt(url), { ...places(), ...options })
    return { ...describe(runner), tried }
  },
  /** RGBA bytes of the student's answer. */
  run: async (id: number, rgba: number[], values: number[]) => {
    const { input, width, height, run } = runners[id]!
    input.putImageData(new ImageData(Uint8ClampedArray.from(rgba), width, height), 0, 0)
    const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })!
    context.drawImage(await run(values), 0, 0)
    return Array.from(context.getImageData(0, 0, width, height).data)
  },
  failToRun: async (id: number, values: number[]) => outcome(runners[id]!.run(values)),
  /** What a driver's crash, a pulled card or full memory does. */
  breakEngine: async (id: number) => {
    const { engine } = runners[id]!
    if (engine === 'litert') {
      const { liteRtWasm } = litert.getGlobalLiteRt()
      Object.assign(liteRtWasm, { checkTensorBufferCompatible: throwing, _free: throwing })
      return
    }
    const { gpgpu, device, wasm } = tf.engine().registry[engine] as unknown as Breakable
    gpgpu?.gl.getExtension('WEBGL_lose_context')?.loseContext()
    device?.destroy()
    if (wasm !== undefined) Object.assign(wasm, { _malloc: throwing })
  },
  memory: async (id: number) => runners[id]!.memory(),
  /** What lives in this thread: tensors, and the engines that run. */
  left: async () => ({
    tensors: tf.engine().state.numTensors,
    engines: [
      ...Object.keys(tf.engine().registry),
      ...(litert.getGlobalLiteRtPromise() === undefined ? [] : ['litert']),
    ],
  }),
  dispose: async (id: number) => runners[id]!.dispose(),
  /** What was fetched of bundles since the last call. */
  fetched: async () => {
    const paths = performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname)
    performance.clearResourceTimings()
    return paths.filter(path => path.startsWith('/bundles/'))
  },
}

export type Harness = typeof harness
