import { FxError } from '@fx/core'
import type { BundleReader } from '../bundle/reader.js'
import {
  type ChooseEngineOptions,
  type ChosenEngine,
  disposedError,
  type EngineName,
  type EngineTrial,
  type OpenStudent,
  type StudentRunner,
} from '../engine/types.js'
import { studentSizes } from './student-sizes.js'

/** Which engine runs an effect, and what lives in it. */
export interface EngineReport {
  name: EngineName
  /** Threads that compute; 1 on a GPU. */
  threads: number
  /** Tensors and their bytes. */
  tensors: number
  bytes: number
  /** Why the engine before was left, once one has failed. */
  failure?: string
}

/** How engines are opened: those of this package, or a test's. */
export interface Engines {
  choose(bundle: BundleReader, options: ChooseEngineOptions): Promise<ChosenEngine>
  open: OpenStudent
}

/** The students of one bundle in one engine: the full one, and smaller ones while they are wanted. */
export interface Students {
  readonly tried: readonly EngineTrial[]
  /** Whether the student takes the effect's parameters; else they are fixed in it. */
  readonly takesParameters: boolean
  report(): EngineReport
  /**
   * Draws and runs. When the engine fails the next one takes over and does it again.
   *
   * @param size index into `studentSizes`.
   * @param use takes what it needs of the student's canvas before the next run.
   * @throws FxError `backend-unavailable` when no engine is left.
   */
  run(
    size: number,
    draw: (input: OffscreenCanvasRenderingContext2D) => void,
    values: readonly number[],
  ): Promise<OffscreenCanvas>
  /** Opens a smaller student beside the others. Each `open` is matched by a `close`. */
  open(size: number): Promise<void>
  close(size: number): void
  dispose(): void
}

interface SmallerStudent {
  users: number
  /** None while it is being opened. */
  runner: StudentRunner | undefined
  opening: Promise<void>
}

/**
 * Chooses an engine and opens the bundle's student in it.
 *
 * @throws FxError as `loadEffect`.
 */
export const openStudents = async (
  bundle: BundleReader,
  options: ChooseEngineOptions,
  engines: Engines,
): Promise<Students> => {
  const sizes = studentSizes(bundle.manifest)
  const { signal: _, prefer: __, ...later } = options
  const smaller = new Map<number, SmallerStudent>()
  const failed = new Set<EngineName>()
  let { runner: full, tried } = await engines.choose(bundle, options)
  bundle.release()
  let failure: string | undefined
  /** What ended all of this: disposal, or the failure of the last engine. */
  let ended: Error | undefined
  /** Counts engines, so that a student that was still being opened in the one before is told apart. */
  let generation = 0

  const openSmaller = async (size: number, entry: SmallerStudent): Promise<void> => {
    const opened = generation
    const runner = await engines.open(bundle, { ...later, engine: full.engine, size: sizes[size]! })
    bundle.release()
    if (smaller.get(size) !== entry || opened !== generation) runner.dispose()
    else entry.runner = runner
  }

  const disposeAll = (): void => {
    full.dispose()
    for (const entry of smaller.values()) {
      entry.runner?.dispose()
      entry.runner = undefined
    }
  }

  const end = (error: Error): void => {
    ended = error
    disposeAll()
    smaller.clear()
  }

  /** Leaves an engine that died. Where only that one may be used it gets a second chance. */
  const leave = async (error: FxError): Promise<void> => {
    const isFirst = failed.size === 0
    failed.add(full.engine)
    failure = error.message
    generation++
    disposeAll()
    const next = await engines.choose(bundle, { ...later, except: [...failed] }).catch(cause => {
      if (isFirst && FxError.isInstance(cause, 'backend-unavailable')) return engines.choose(bundle, later)
      throw cause
    })
    bundle.release()
    if (ended !== undefined) {
      next.runner.dispose()
      throw ended
    }
    full = next.runner
    tried = next.tried
    // Frames run on the full student until the smaller one has followed, or for good where it cannot.
    for (const [size, entry] of smaller) openSmaller(size, entry).catch(() => {})
  }

  return {
    get tried() {
      return tried
    },
    takesParameters: full.parameters > 0,
    report: () => ({ name: full.engine, threads: full.threads, ...full.memory(), ...(failure && { failure }) }),
    run: async (size, draw, values) => {
      for (;;) {
        if (ended !== undefined) throw ended
        const runner = smaller.get(size)?.runner ?? full
        try {
          draw(runner.input)
          return await runner.run(runner.parameters > 0 ? values : [])
        } catch (error) {
          if (ended !== undefined) throw ended
          if (!FxError.isInstance(error, 'backend-unavailable')) throw error
          await leave(error).catch(cause => {
            if (ended === undefined) end(cause)
          })
        }
      }
    },
    open: async size => {
      if (ended !== undefined) throw ended
      const known = smaller.get(size)
      if (known !== undefined) {
        known.users++
        return known.opening
      }
      const entry: SmallerStudent = { users: 1, runner: undefined, opening: Promise.resolve() }
      smaller.set(size, entry)
      entry.opening = openSmaller(size, entry).catch(error => {
        if (smaller.get(size) === entry) smaller.delete(size)
        throw error
      })
      return entry.opening
    },
    close: size => {
      const entry = smaller.get(size)
      if (entry === undefined || --entry.users > 0) return
      smaller.delete(size)
      entry.runner?.dispose()
    },
    dispose: () => {
      if (ended === undefined) end(disposedError())
    },
  }
}
