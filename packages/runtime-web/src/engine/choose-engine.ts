import { FxError } from '@fx/core'
import { throwIfAborted } from '../aborted.js'
import type { BundleReader } from '../bundle/reader.js'
import { openStudent } from './open-student.js'
import type { ChooseEngineOptions, ChosenEngine, EngineName, EngineTrial, OpenStudent, StudentRunner } from './types.js'
import { messageOf } from './values.js'

/** The likely fastest first, so that the others can be given up early. */
const measured: readonly EngineName[] = ['webgpu', 'webgl', 'litert', 'wasm']

/** How long an engine is timed, ms, and its least and most runs. */
const budgetMs = 250
const leastRuns = 3
const mostRuns = 40

/** An engine that takes this many times as long as the best one after a run, or after the least runs, is given up. */
const hopeless = 2
const slower = 1.25

const median = (times: readonly number[]): number => [...times].sort((a, b) => a - b)[times.length >> 1]!

/** Median time of a run, ms. The next run of a GPU waits for this one, so the time from end to end is its time, too. */
const time = async (runner: StudentRunner, best: number, signal?: AbortSignal): Promise<number> => {
  const values = Array.from({ length: runner.parameters }, () => 0)
  await runner.run(values)
  const times: number[] = []
  const began = performance.now()
  for (let now = began; times.length < mostRuns; ) {
    await runner.run(values)
    throwIfAborted(signal)
    const end = performance.now()
    times.push(end - now)
    now = end
    const fastest = Math.min(...times)
    if (fastest > hopeless * best) break
    if (times.length >= leastRuns && (now - began > budgetMs || fastest > slower * best)) break
  }
  return median(times)
}

/** Failures that say something about the engine; all others are of the bundle, the server or the caller. */
const isOfEngine = (error: unknown): boolean =>
  FxError.isInstance(error, 'backend-unavailable') || FxError.isInstance(error, 'missing-package')

/**
 * Opens the candidates one after the other, lets each prove itself on the bundle's probe, times those that are correct for
 * a moment, and keeps the fastest; of the others nothing stays. With one candidate left nothing is timed. `cpu` is tried
 * only when nothing else works, or by name. Releases the bundle's bytes.
 *
 * @param open opens a student; a test gives its own.
 * @throws FxError `backend-unavailable` saying of each candidate why it does not work, in words and as
 *   `details.tried`; whatever else `openStudent` throws.
 */
export const chooseEngine = async (
  bundle: BundleReader,
  options: ChooseEngineOptions = {},
  open: OpenStudent = openStudent,
): Promise<ChosenEngine> => {
  const { engines, prefer, except = [], ...rest } = options
  const allowed = (engine: EngineName): boolean => !except.includes(engine)
  const candidates = (engines ?? measured).filter(allowed)
  const tried: EngineTrial[] = []
  let best: { runner: StudentRunner; p50Ms: number } | undefined

  /** The student in this engine; undefined when that does not work. */
  const attempt = async (engine: EngineName): Promise<StudentRunner | undefined> => {
    try {
      return await open(bundle, { ...rest, engine, software: engines !== undefined })
    } catch (error) {
      if (!isOfEngine(error)) throw error
      tried.push({ engine, usable: false, reason: messageOf(error) })
      return undefined
    }
  }
  const taken = (runner: StudentRunner, reason: string): ChosenEngine => {
    tried.push({ engine: runner.engine, usable: true, reason })
    return { runner, tried }
  }
  const consider = async (engine: EngineName): Promise<void> => {
    const runner = await attempt(engine)
    if (runner === undefined) return
    try {
      const p50Ms = await time(runner, best?.p50Ms ?? Number.POSITIVE_INFINITY, rest.signal)
      const [winner, loser] = best === undefined || p50Ms < best.p50Ms ? [runner, best?.runner] : [best.runner, runner]
      const reason = `${p50Ms.toFixed(1)} ms a frame`
      tried.push({ engine, usable: true, reason, p50Ms })
      best = { runner: winner, p50Ms: Math.min(p50Ms, best?.p50Ms ?? p50Ms) }
      loser?.dispose()
    } catch (error) {
      runner.dispose()
      if (!isOfEngine(error)) throw error
      tried.push({ engine, usable: false, reason: messageOf(error) })
    }
  }

  try {
    if (prefer !== undefined && allowed(prefer) && (engines ?? [...measured, 'cpu']).includes(prefer)) {
      const runner = await attempt(prefer)
      if (runner !== undefined) return taken(runner, 'it is what was preferred, and correct')
    }
    const others = candidates.filter(engine => !tried.some(trial => trial.engine === engine))
    if (others.length === 1) {
      const runner = await attempt(others[0]!)
      if (runner !== undefined) return taken(runner, 'there was no other candidate')
    } else for (const engine of others) await consider(engine)
    if (best !== undefined) return { runner: best.runner, tried }
    if (engines === undefined && allowed('cpu')) {
      const runner = await attempt('cpu')
      if (runner !== undefined) return taken(runner, 'nothing else works')
    }
  } catch (error) {
    best?.runner.dispose()
    throw error
  } finally {
    bundle.release()
  }
  throw new FxError(
    'backend-unavailable',
    `No engine works here. ${tried.map(({ engine, reason }) => `${engine}: ${reason}`).join(' ') || 'None is left to try.'}`,
    { details: { tried } },
  )
}
