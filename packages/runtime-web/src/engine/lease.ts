import { type BackendName, prepareBackend, stopBackend } from '@fx/backend'
import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import type { EngineOptions } from './types.js'

/** The right to compute on a tfjs backend. Each thread has one set of backends, which all students in it share. */
export interface Lease {
  readonly threads: number
  /** The backend itself; undefined once it has died or was taken away. */
  backend(): object | undefined
  /** Settles when `use` may be called: tfjs cannot compute while one of its backends starts. */
  ready(): Promise<void>
  /** Makes this the backend that tfjs computes on, at once. */
  use(): void
  /** Ends the backend for all who lease it: it has died. Dispose of tensors before. */
  kill(): void
  /** The last release ends the backend, unless the page had started it or has tensors on it. */
  release(): void
}

/** Phones have four fast cores at most, and a slow one in the team makes the others wait. */
const mostThreads = 4

export const defaultThreads = (): number => Math.min(navigator.hardwareConcurrency || 1, mostThreads)

interface Shared {
  instance: object
  threads: number
  holders: number
  /** Whether it runs for leases only. */
  ours: boolean
}

const shared = new Map<BackendName, Shared>()
let starting: Promise<unknown> | undefined
let last: Promise<unknown> = Promise.resolve()

const instanceOf = (name: BackendName): object | undefined => tf.engine().registry[name]

const start = async (
  name: BackendName,
  { threads = defaultThreads(), wasmPaths, software }: EngineOptions & { software: boolean },
): Promise<Shared> => {
  const before = instanceOf(name)
  // What is named may compute on a software adapter, what stands in a list may not.
  const choice = software ? { backend: name } : { order: [name] }
  const prepared = await prepareBackend({ ...choice, threads, wasmPaths })
  const instance = instanceOf(name)!
  const running = shared.get(name)
  if (running?.instance === instance) return running
  const begun = { instance, threads: prepared.threads, holders: 0, ours: instance !== before }
  shared.set(name, begun)
  return begun
}

const stop = (name: BackendName, state: Shared): void => {
  if (shared.get(name) === state) shared.delete(name)
  if (instanceOf(name) === state.instance) stopBackend(name)
}

/** Starts a tfjs backend, or joins those who use it. Calls wait for one another: two starts would make two thread pools. */
export const leaseBackend = (
  name: 'webgpu' | 'webgl' | 'wasm' | 'cpu',
  options: EngineOptions & { software: boolean },
): Promise<Lease> => {
  const started = last.then(async () => {
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
  last = started.catch(() => {})
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
      kill: () => stop(name, state),
      release: () => {
        if (!held) return
        held = false
        state.holders--
        if (state.holders === 0 && state.ours && tf.engine().registry[name]?.numDataIds() === 0) stop(name, state)
      },
    }
  })
}
