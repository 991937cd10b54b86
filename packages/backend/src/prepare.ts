import { FxError, listed } from '@fx/core'
import { startCpu } from './cpu.js'
import { isNode } from './environment.js'
import { withoutNewListeners } from './listeners.js'
import { gpuOfNode } from './nodeGpu.js'
import { nodeCores, startThreadsInNode } from './nodeThreads.js'
import type { Started } from './started.js'
import { startTfjsNode } from './tfjsNode.js'
import { startWasm, type Threading, type WasmPaths } from './wasm.js'
import { startWebgl } from './webgl.js'
import { startWebgpu } from './webgpu.js'

/** The backends this package can prepare. */
export type BackendName = 'tfjs-node' | 'webgpu' | 'webgl' | 'wasm' | 'cpu'

const names: readonly BackendName[] = ['tfjs-node', 'webgpu', 'webgl', 'wasm', 'cpu']

/** Without WebGL: most of what is trained or measured here is faster on wasm. */
const usual: readonly BackendName[] = ['tfjs-node', 'webgpu', 'wasm', 'cpu']

export interface PrepareBackendOptions {
  /**
   * A backend by name, or 'auto' (the default): the first that works of tfjs-node, WebGPU on a real adapter, wasm, cpu.
   * In Node the environment variable FX_BACKEND replaces 'auto'.
   */
  backend?: BackendName | 'auto'
  /**
   * What 'auto' tries, in this order. Default: tfjs-node, webgpu, wasm, cpu, the order of speed for big operations; to
   * train small students put wasm before tfjs-node. WebGL is tried only when it is in the list or asked for by name.
   */
  order?: readonly BackendName[]
  /** Threads of the wasm backend: 'auto' (the default) takes every core, up to 8. Other backends ignore it. */
  threads?: number | 'auto'
  /**
   * Where the `.wasm` files of `@tensorflow/tfjs-backend-wasm` are: a folder's URL ending in a slash, or a map from their
   * file names. Needed in browsers; in Node they are found in the package.
   */
  wasmPaths?: WasmPaths
}

/** What was tried, and how it went. */
export interface BackendCandidate {
  name: BackendName
  usable: boolean
  /** One sentence. */
  reason: string
}

export interface PreparedBackend {
  name: BackendName
  /** One sentence: which backend, and why this one. */
  reason: string
  /** Every backend that was tried, in order; the last one is in use. */
  candidates: BackendCandidate[]
  /** Threads that tfjs computes with, as far as this package knows; 1 for webgpu, webgl and cpu. */
  threads: number
  /** Whether wasm uses SIMD; false for other backends. */
  simd: boolean
}

const inNode: Threading = { cores: nodeCores, start: startThreadsInNode }

const start = (name: BackendName, options: PrepareBackendOptions, explicit: boolean): Promise<Started> => {
  if (name === 'tfjs-node') return startTfjsNode()
  if (name === 'webgpu') return startWebgpu({ allowSoftware: explicit }, isNode() ? gpuOfNode : undefined)
  if (name === 'webgl') return startWebgl({ allowSoftware: explicit })
  if (name === 'wasm') return isNode() ? withoutNewListeners(() => startWasm(options, inNode)) : startWasm(options)
  return startCpu()
}

const requested = (option: PrepareBackendOptions['backend'] = 'auto'): BackendName | 'auto' => {
  const fromEnvironment = option === 'auto' && isNode() ? process.env.FX_BACKEND || 'auto' : option
  if (fromEnvironment !== 'auto' && !names.includes(fromEnvironment as BackendName)) {
    const where = option === 'auto' ? 'FX_BACKEND' : 'backend'
    throw new FxError(
      'invalid-argument',
      `Unknown ${where} '${fromEnvironment}'; allowed are ${listed(['auto', ...names])}.`,
      { details: { value: fromEnvironment, allowed: ['auto', ...names] } },
    )
  }
  return fromEnvironment as BackendName | 'auto'
}

const messageOf = (error: unknown): string => {
  const message = (error as { message?: unknown } | null)?.message
  return (typeof message === 'string' ? message : String(error)).split('\n')[0]!
}

/**
 * Loads, starts and selects a tfjs backend, and says which and why. May be called again: a backend that runs already is
 * selected as it is, with its tensors.
 *
 * @throws FxError `invalid-argument` for an unknown name or a bad thread count; `backend-unavailable` when the backend
 *   asked for (or, with 'auto', every one) does not work here, saying why.
 */
export const prepareBackend = async (options: PrepareBackendOptions = {}): Promise<PreparedBackend> => {
  const { threads = 'auto' } = options
  if (threads !== 'auto' && !(Number.isInteger(threads) && threads >= 1 && threads <= 64)) {
    throw new FxError('invalid-argument', `threads must be 'auto' or a whole number from 1 to 64, got ${threads}.`)
  }
  const { order = usual } = options
  const stranger = order.find(name => !names.includes(name))
  if (stranger !== undefined || order.length === 0) {
    throw new FxError(
      'invalid-argument',
      `Unknown backend '${stranger ?? ''}' in order; allowed are ${listed(names)}.`,
      {
        details: { order, allowed: names },
      },
    )
  }
  const choice = requested(options.backend)
  const explicit = choice !== 'auto'
  const candidates: BackendCandidate[] = []
  for (const name of explicit ? [choice] : order) {
    try {
      const { note, ...started } = await start(name, options, explicit)
      candidates.push({ name, usable: true, reason: `${name} works: ${note}.` })
      const passedOver = candidates.filter(candidate => !candidate.usable).map(candidate => candidate.name)
      const why = explicit
        ? 'as asked for'
        : passedOver.length
          ? `the fastest that works here (not usable: ${passedOver.join(', ')})`
          : 'the fastest there is'
      return { name, reason: `Using ${name} (${note}): ${why}.`, candidates, ...started }
    } catch (error) {
      candidates.push({ name, usable: false, reason: messageOf(error) })
      if (!explicit) continue
      throw new FxError('backend-unavailable', `The ${name} backend does not work here: ${messageOf(error)}`, {
        cause: error,
        details: { candidates },
      })
    }
  }
  throw new FxError(
    'backend-unavailable',
    `No tfjs backend works here. ${candidates.map(({ name, reason }) => `${name}: ${reason}`).join(' ')}`,
    { details: { candidates } },
  )
}
