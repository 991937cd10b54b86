import { type BrowserBackend, startBackend, stopBackend } from '@fx/backend/browser'
import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { inTurn } from './queue.js'
import { defaultThreads, stopWhenIdle } from './threads.js'
import type { EngineOptions } from './types.js'
import { engineDied } from './values.js'

/** The right to compute on a tfjs backend. Each thread has one set of backends, which all students in it share. */
export interface Lease {
  readonly threads: number
  /** The backend itself; undefined once it has died or was taken away. */
  backend(): object | undefined
  /** Settles when `use` may be called: tfjs cannot compute while one of its backends starts. */
  ready(): Promise<void>
  /** Makes this the backend that tfjs computes on, at once. */
  use(): void
  /** Ends the backend for all who lease it: it has died. Tensors on it are still disposed of by who made them. */
  kill(): void
  /** After the last release the backend ends, at once or, with threads, in a second, unless the page has tensors on it. */
  release(): void
}

interface Shared {
  instance: object
  threads: number
  holders: number
  /** Whether it runs for leases only. */
  ours: boolean
}

const shared = new Map<BrowserBackend, Shared>()
let starting: Promise<unknown> | undefined

const instanceOf = (name: BrowserBackend): object | undefined => tf.engine().registry[name]

const start = async (
  name: BrowserBackend,
  { threads = defaultThreads(), wasmPaths, software }: EngineOptions & { software: boolean },
): Promise<Shared> => {
  const before = instanceOf(name)
  const started = await startBackend(name, { threads, wasmPaths, software }).catch(error => {
    throw FxError.isInstance(error) ? error : engineDied(name, error)
  })
  const instance = instanceOf(name)!
  const running = shared.get(name)
  if (running?.instance === instance) return running
  const ours = instance !== before
  if (name === 'wasm' && !started.simd) {
    if (ours) stopBackend(name)
    throw new FxError('backend-unavailable', 'This browser has no WebAssembly SIMD, without which wasm is too slow')
  }
  const begun = { instance, threads: started.threads, holders: 0, ours }
  shared.set(name, begun)
  return begun
}

const stop = (name: BrowserBackend, state: Shared): void => {
  if (shared.get(name) === state) shared.delete(name)
  if (instanceOf(name) === state.instance) stopBackend(name)
}

/** Ends what nobody leases, unless the page had started it or has tensors on it. */
const stopUnused = (name: BrowserBackend, state: Shared): void => {
  if (state.holders === 0 && state.ours && tf.engine().registry[name]?.numDataIds() === 0) stop(name, state)
}

/** Starts a tfjs backend, or joins those who use it. */
export const leaseBackend = (name: BrowserBackend, options: EngineOptions & { software: boolean }): Promise<Lease> => {
  const started = inTurn(async () => {
    const work = start(name, options)
    starting = work
    try {
      const state = await work
      state.holders++
      return state
    } finally {
      starting = undefined
    }
  })
  return started.then(state => {
    let held = true
    const backend = () => (instanceOf(name) === state.instance ? state.instance : undefined)
    return {
      threads: state.threads,
      backend,
      ready: async () => {
        while (starting !== undefined) await starting.catch(() => {})
      },
      use: () => {
        if (backend() === undefined) throw new FxError('backend-unavailable', `The ${name} backend has ended`)
        // Of a backend that runs already this is done when it returns.
        if (tf.getBackend() !== name) void tf.setBackend(name)
      },
      kill: () => {
        // It has nothing any more that could be freed one by one.
        Object.assign(state.instance, { disposeData: () => true })
        stop(name, state)
      },
      release: () => {
        if (!held) return
        held = false
        state.holders--
        stopWhenIdle(state.threads, () => stopUnused(name, state))
      },
    }
  })
}
