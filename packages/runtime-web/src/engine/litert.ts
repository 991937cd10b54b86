import { FxError } from '@fx/core'
import { inTurn } from './queue.js'
import { stopWhenIdle } from './threads.js'
import { messageOf } from './values.js'

type LitertPackage = typeof import('@litertjs/core')

/** LiteRT.js, running in this thread, which has one for all students. */
export interface Litert {
  readonly core: LitertPackage
  readonly threads: number
  /** Ends it for all who lease it: it has died. */
  kill(): void
  /** After the last release it ends; with threads in a second. */
  release(): void
}

type Factory = (options: object) => Promise<unknown>

interface Running {
  core: LitertPackage
  threads: number
  workers: Worker[]
  holders: number
}

/** What scripts have defined, by URL: a browser runs a module only once. */
const factories = new Map<string, Factory>()
let running: Running | undefined

/** Gives `target` these properties while `use` runs, then puts back what was there. */
const during = async <T>(target: object, properties: object, use: () => Promise<T>): Promise<T> => {
  const before = Object.keys(properties).map(name => [name, Object.getOwnPropertyDescriptor(target, name)] as const)
  for (const [name, value] of Object.entries(properties)) {
    Object.defineProperty(target, name, { value, configurable: true, writable: true })
  }
  try {
    return await use()
  } finally {
    for (const [name, descriptor] of before) {
      if (descriptor === undefined) Reflect.deleteProperty(target, name)
      else Object.defineProperty(target, name, descriptor)
    }
  }
}

/**
 * LiteRT.js runs its script by a script element, or in a worker by importScripts, which workers made of modules do not
 * have. The script can be a module, too, since it hands its factory to an AMD loader where there is one.
 */
const factoryOf = async (script: string): Promise<Factory> => {
  const known = factories.get(script)
  if (known !== undefined) return known
  let factory: Factory | undefined
  const define = (_: unknown, give: () => Factory): void => {
    factory = give()
  }
  await during(
    globalThis,
    { define: Object.assign(define, { amd: {} }) },
    () => import(/* @vite-ignore */ /* webpackIgnore: true */ script),
  )
  if (factory === undefined) throw new Error(`${script} is not a script of @litertjs/core`)
  factories.set(script, factory)
  return factory
}

/** Its wasm engine needs no GPU, but it would open a device of its own; this one gives it none. */
const noGpu = {
  requestAdapter: async () => ({ limits: {}, features: new Set(), requestDevice: async () => null }),
}

const start = async (folder: string, wanted: number): Promise<Running> => {
  const core: LitertPackage = await import('@litertjs/core').catch(cause => {
    throw new FxError('missing-package', '@litertjs/core is not installed.', { cause })
  })
  const relaxed = await core.supportsFeature('relaxedSimd')
  const threaded = relaxed && wanted > 1 && globalThis.crossOriginIsolated && (await core.supportsFeature('threads'))
  const threads = threaded ? wanted : 1
  const script = `${folder}litert_wasm_${relaxed ? (threaded ? 'threaded_' : '') : 'compat_'}internal.js`
  const workers: Worker[] = []
  class CountedWorker extends Worker {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, options)
      if (options?.name === 'em-pthread') workers.push(this)
    }
  }
  const end = (): void => {
    for (const worker of workers) worker.terminate()
  }
  try {
    const inWorker = typeof document === 'undefined'
    const scope = {
      ...(inWorker ? { ModuleFactory: await factoryOf(script), importScripts: () => {} } : {}),
      Module: {
        locateFile: (path: string) => folder + path,
        // Its threads are classic workers, which run the script itself.
        mainScriptUrlOrBlob: script,
        // It tells every step of its start.
        printErr: () => {},
      },
      Worker: CountedWorker,
    }
    // It makes a thread for each core that it is told of.
    const device = { hardwareConcurrency: threads, gpu: noGpu }
    await during(globalThis, scope, () => during(navigator, device, () => core.loadLiteRt(script)))
  } catch (error) {
    end()
    throw new FxError('backend-unavailable', `LiteRT.js did not start from ${script}: ${messageOf(error)}`, {
      cause: error,
    })
  }
  return { core, threads, workers, holders: 0 }
}

const stop = (which: Running): void => {
  if (running !== which) return
  running = undefined
  const { core, workers } = which
  try {
    core.unloadLiteRt()
  } catch {
    // What has died cannot delete its objects, and without them it can be let go.
    const { objectsToDelete } = core.getGlobalLiteRt() as unknown as { objectsToDelete: Set<unknown> }
    objectsToDelete.clear()
    core.unloadLiteRt()
  }
  for (const worker of workers) worker.terminate()
}

/**
 * Starts LiteRT.js, or joins those who use it.
 *
 * @param folder URL of the package's folder `wasm`, ending in a slash.
 * @throws FxError `missing-package`, `backend-unavailable`.
 */
export const leaseLitert = (folder: string, threads: number): Promise<Litert> =>
  inTurn(async () => {
    running ??= await start(folder, threads)
    const mine = running
    mine.holders++
    let held = true
    return {
      core: mine.core,
      threads: mine.threads,
      kill: () => stop(mine),
      release: () => {
        if (!held) return
        held = false
        mine.holders--
        stopWhenIdle(mine.threads, () => {
          if (mine.holders === 0) stop(mine)
        })
      },
    }
  })
