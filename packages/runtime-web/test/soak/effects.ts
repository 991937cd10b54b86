import { openBundle } from '../../src/bundle/reader.js'
import { rememberEngine } from '../../src/engine/remember.js'
import { type Effect, type LoadEffectOptions, loadEffect } from '../../src/index.js'
import { countThings, loseContexts, noteFrame, noteFrameGone, type Things } from './things.js'
import type { Question } from './worker.js'

/** An effect in a worker that can be asked, or in the page. */
export interface Loaded {
  effect: Effect
  /** Loses the WebGL contexts of its thread. */
  loseContexts(): Promise<void>
  dispose(): void
}

const workers = new Set<Worker>()

const { read } = ReadableStreamDefaultReader.prototype
ReadableStreamDefaultReader.prototype.read = async function (this: ReadableStreamDefaultReader) {
  const result = await read.call(this)
  if (result.value instanceof VideoFrame) noteFrame()
  return result
}

const { postMessage } = Worker.prototype
Worker.prototype.postMessage = function (this: Worker, message: { frame?: VideoFrame }, ...rest: never[]) {
  if (message.frame !== undefined) noteFrameGone(message.frame)
  postMessage.call(this, message, ...rest)
} as typeof postMessage

const ask = (worker: Worker, soak: Question): Promise<Things> =>
  new Promise(resolve => {
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = ({ data }) => {
      port1.close()
      resolve(data)
    }
    worker.postMessage({ soak }, [port2])
  })

export const load = async (name: string, inWorker: boolean, options: LoadEffectOptions): Promise<Loaded> => {
  const url = new URL(`/bundles/${name}/`, location.href)
  let worker: Worker | undefined
  const start = (): Worker => {
    worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
    workers.add(worker)
    return worker
  }
  const effect = await loadEffect(url, { wasmPaths: '/wasm/', worker: inWorker && start, ...options })
  return {
    effect,
    loseContexts: async () => {
      if (worker === undefined) loseContexts()
      else await ask(worker, 'lose')
    },
    dispose: () => {
      if (worker !== undefined) workers.delete(worker)
      effect.dispose()
    },
  }
}

/** An effect on WebGL, whatever is fastest here, that may go on with wasm. */
export const loadOnWebgl = async (name: string, inWorker: boolean): Promise<Loaded> => {
  const { hash } = await openBundle(new URL(`/bundles/${name}/effect.json`, location.href))
  rememberEngine(hash, 'webgl')
  return load(name, inWorker, { engine: ['webgl', 'wasm'], threads: 1 })
}

/** What lives in the page and in the workers of its effects. */
export const countAll = async (): Promise<Things> => {
  const all = [countThings(), ...(await Promise.all([...workers].map(worker => ask(worker, 'count'))))]
  const sum = (key: keyof Things) => all.reduce((total, things) => total + things[key], 0)
  return { tensors: sum('tensors'), textures: sum('textures'), contexts: sum('contexts'), frames: sum('frames') }
}
