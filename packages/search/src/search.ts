import { join } from 'node:path'
import { prepareBackend } from '@fx/backend'
import { FxError, seededRandom } from '@fx/core'
import { writeFileAtomic } from '@fx/core/node'
import type { DistillResult } from '@fx/distill'
import { type Graph, importLayersModel, optimize } from '@fx/export'
import { cost, type StudentPreset, studentPresets } from '@fx/unet-student'
import { throwIfAborted } from './abort.js'
import { successiveHalving, trainings } from './halving.js'
import { type Journal, openJournal } from './journal.js'
import { type LatencyEngine, tfjsEngine } from './latency/engine.js'
import { fitLatency } from './latency/fit.js'
import { type LatencyModel, parseLatencyModel, predictLatency } from './latency/model.js'
import { withoutWeights, withRandomWeights } from './latency/operators.js'
import { type Candidate, type ResolvedSearch, resolveSearch, type SearchOptions } from './options.js'
import { paretoSvg } from './pareto.js'
import { choiceText, sampleSpace, studentOf } from './space.js'
import { searchCsv } from './table.js'
import { distillTrainer, finishedRun } from './trainer.js'

/** A candidate and what the search has found out about it. */
export interface FoundCandidate extends Candidate {
  specHash: string
  /** Multiply-accumulates of one image, millions. */
  mmacs: number
  parameters: number
  predictedMs: number
  /** Median latency before training, of those near the budget and the presets. */
  measuredMs?: number
  /** Held-out figures after so many steps, of those that were trained; lower is better. */
  figures: { step: number; figure: number }[]
  /** Median latency, of those that were trained to the end: the lower of that before training and that beside each other. */
  finalMs?: number
}

export interface SearchResult {
  best: FoundCandidate
  /** Everything that was looked at, presets last. */
  candidates: FoundCandidate[]
  latency: LatencyModel
  /** The finished run of the best one, whose student the caller disposes; absent when `train` was given. */
  run?: DistillResult
}

/** Rounds of a measurement that decides, and how often it is repeated: what slows a machine only ever adds. */
const DECIDING_ROUNDS = 15
const REPEATS = 3

/** Candidates measured in turn. */
const TOGETHER = 6

type Sized = Omit<FoundCandidate, 'figures' | 'predictedMs'>

/** What a search needs throughout. */
interface Context {
  options: SearchOptions
  search: ResolvedSearch
  engine: LatencyEngine
  journal: Journal
  tell: NonNullable<SearchOptions['onProgress']>
}

const presetCandidates = (): Candidate[] =>
  Object.entries<StudentPreset>(studentPresets).map(([name, { encoder, decoder, head }]) => ({
    id: `preset-${name}`,
    choice: { encoder: { ...encoder }, decoder: { ...decoder }, head },
  }))

/** Builds a student only to look at it: what it costs, and the graph that it would ship as. */
const lookAt = async ({ options, search }: Context, { id, choice }: Candidate): Promise<Sized & { graph: Graph }> => {
  const { effect } = options
  const student = studentOf(choice, {
    inputSize: search.size,
    ...(search.conditioned && { parameters: effect.parameters }),
  })
  try {
    const { macs, parameters } = cost(student.model)
    const graph = withoutWeights(optimize(await importLayersModel(student.model)))
    return { id, choice, specHash: student.specHash, mmacs: macs / 1e6, parameters, graph }
  } finally {
    student.dispose()
  }
}

/** Draws candidates, learns how long students take, and predicts it for each. */
const predicted = (context: Context): Promise<{ latency: LatencyModel; candidates: FoundCandidate[] }> => {
  const { options, search, engine, journal, tell } = context
  return journal.once('predictions', async () => {
    const random = seededRandom('search', search.seed)
    const choices = sampleSpace(search.space, search.candidates, random)
    const all = [
      ...choices.map((choice, i) => ({ id: `s${i + 1}`, choice })),
      ...(search.presets ? presetCandidates() : []),
    ]
    const seen = new Map<string, Sized & { graph: Graph }>()
    for (const [i, candidate] of all.entries()) {
      throwIfAborted(options.signal)
      const found = await lookAt(context, candidate)
      // Two choices can amount to one student, and a choice to a preset, which then keeps its name.
      seen.set(found.specHash, found)
      tell({ phase: 'candidates', done: i + 1, total: all.length })
      await new Promise(setImmediate)
    }
    const distinct = [...seen.values()]
    const latency = options.latency
      ? parseLatencyModel(options.latency)
      : await journal.once('latency', () =>
          fitLatency({
            engine,
            graphs: distinct.map(({ graph }) => graph),
            seed: search.seed,
            signal: options.signal,
            onProgress: (done, total) => tell({ phase: 'latency', done, total }),
          }),
        )
    return {
      latency,
      candidates: distinct.map(({ graph, ...sized }) => ({
        ...sized,
        predictedMs: predictLatency(latency, graph).ms,
        figures: [],
      })),
    }
  })
}

/** The lowest of some medians of each. */
const measured = async (context: Context, key: string, candidates: readonly FoundCandidate[]): Promise<number[]> =>
  context.journal.once(`${key} ${candidates.map(({ id }) => id).join(' ')}`, async () => {
    throwIfAborted(context.options.signal)
    const graphs: Graph[] = []
    for (const candidate of candidates) graphs.push(withRandomWeights((await lookAt(context, candidate)).graph))
    const times: number[][] = []
    for (let i = 0; i < REPEATS; i++) times.push(await context.engine.measure(graphs, { rounds: DECIDING_ROUNDS }))
    return graphs.map((_, i) => Math.min(...times.map(each => each[i]!)))
  })

const isPreset = ({ id }: Candidate): boolean => id.startsWith('preset-')

/** How much longer candidates take than predicted: what the machine does now to all of them, or the predictions to all. */
const slownessOf = (candidates: readonly FoundCandidate[]): number => {
  const ratios = candidates.flatMap(({ measuredMs, predictedMs }) => (measuredMs ? [measuredMs / predictedMs] : []))
  return ratios.sort((a, b) => a - b)[Math.floor(ratios.length / 2)] ?? 1
}

/** Measures candidates that should be near the budget until enough of them really are. */
const entrantsOf = async (context: Context, candidates: readonly FoundCandidate[]): Promise<FoundCandidate[]> => {
  const { search, tell } = context
  const { budgetMs, tolerance, entrants: wanted } = search
  const drawn = candidates.filter(candidate => !isPreset(candidate))
  // The surest first: what is left of the budget should be used, and what is above it is worth nothing.
  const aim = budgetMs * (1 - tolerance / 2)
  const nearest = (): FoundCandidate[] => {
    const slowness = slownessOf(candidates)
    const far = ({ predictedMs }: FoundCandidate): number => Math.abs(slowness * predictedMs - aim)
    return drawn
      .filter(({ measuredMs, predictedMs }) => {
        return measuredMs === undefined && Math.abs(Math.log((slowness * predictedMs) / budgetMs)) <= 3 * tolerance
      })
      .sort((a, b) => far(a) - far(b))
      .slice(0, TOGETHER)
  }
  const found: FoundCandidate[] = []
  let looked = 0
  for (let next = nearest(); next.length > 0 && found.length < wanted; next = nearest()) {
    for (const [i, ms] of (await measured(context, 'measured', next)).entries()) {
      next[i]!.measuredMs = ms
      if (ms <= budgetMs && ms >= budgetMs * (1 - tolerance) && found.length < wanted) found.push(next[i]!)
    }
    looked += next.length
    tell({
      phase: 'entrants',
      done: found.length,
      total: wanted,
      message: `${looked} measured that should be near the budget, ${found.length} fit`,
    })
  }
  if (found.length > 0) return found
  const range = drawn.map(({ predictedMs }) => predictedMs)
  throw new FxError(
    'invalid-argument',
    `No student of the space takes ${(budgetMs * (1 - tolerance)).toPrecision(3)} to ${budgetMs.toPrecision(3)} ms on ` +
      `${context.engine.name}: ${drawn.length} were drawn, predicted to take ${Math.min(...range).toPrecision(3)} to ` +
      `${Math.max(...range).toPrecision(3)} ms, ${looked} near the budget. Change budgetMs, widen the space or raise candidates`,
    { details: { budgetMs, fastestMs: Math.min(...range), slowestMs: Math.max(...range) } },
  )
}

/** The presets that are within the budget. */
const presetsWithin = async (context: Context, candidates: readonly FoundCandidate[]): Promise<FoundCandidate[]> => {
  const presets = candidates.filter(isPreset)
  if (presets.length === 0) return []
  for (const [i, ms] of (await measured(context, 'measured', presets)).entries()) presets[i]!.measuredMs = ms
  return presets.filter(({ measuredMs }) => measuredMs! <= context.search.budgetMs)
}

const figureOf = ({ figures }: FoundCandidate): number => figures.at(-1)!.figure

const fingerprintOf = (
  options: SearchOptions,
  search: ResolvedSearch,
  engine: LatencyEngine,
): Record<string, unknown> => {
  const { figure, ...numbers } = search
  const { loss, checkpointEvery, evaluateEvery, logEvery, ...training } = options.training
  return {
    ...numbers,
    engine: engine.name,
    effect: options.effect,
    pairs: options.pairs,
    training,
    ...(options.latency && { latency: options.latency }),
  }
}

/**
 * Finds the student that does best within a latency budget: draws students from a space, predicts how long each takes by
 * measurements of the operators on this very engine, measures those near the budget, trains them by successive halving on
 * the same pairs, and measures the last few again.
 *
 * `<out>/search.json` has the state: called again after it was killed, the search goes on where it was and ends in the same
 * answer. `candidates.csv` and `pareto.svg` show what was found; each training lies in `runs/`.
 *
 * @throws FxError `invalid-argument` for wrong options, or when no student of the space meets the budget, saying what they
 *   take; `resume-mismatch` when `out` holds a search of other options; `aborted`; and what `distill` throws.
 */
export const searchStudent = async (options: SearchOptions): Promise<SearchResult> => {
  const search = resolveSearch(options)
  const { signal, onProgress: tell = () => {} } = options
  // Students are built here, whatever they are measured on.
  if (options.engine) await prepareBackend({ backend: options.backend ?? 'wasm', threads: 1 })
  const engine = options.engine ?? (await tfjsEngine())
  const journal = await openJournal(join(options.out, 'search.json'), fingerprintOf(options, search, engine))
  const context: Context = { options, search, engine, journal, tell }
  const { latency, candidates } = await predicted(context)
  const presets = await presetsWithin(context, candidates)
  const entrants = await entrantsOf(context, candidates)

  const train = options.train ?? distillTrainer(options, search)
  const total = trainings(entrants.length, presets.length, search.rungs.length, search.eta)
  let done = 0
  await successiveHalving({
    contenders: entrants,
    kept: presets,
    rungs: search.rungs,
    eta: search.eta,
    train: async (candidate, step) => {
      const figure =
        (await journal.once(`figure ${candidate.id} ${step}`, async () => {
          throwIfAborted(signal)
          return train({ id: candidate.id, choice: candidate.choice }, step, { ...(signal && { signal }) })
        })) ?? Number.NaN
      candidate.figures.push({ step, figure })
      const message = `${candidate.id} after ${step} steps: ${figure.toPrecision(4)} (${choiceText(candidate.choice)})`
      tell({ phase: 'training', done: ++done, total, message })
      return figure
    },
  })

  const finalists = [...entrants, ...presets].filter(({ figures }) => figures.at(-1)!.step === search.rungs.at(-1))
  for (const [i, ms] of (await measured(context, 'final', finalists)).entries()) {
    finalists[i]!.finalMs = Math.min(ms, finalists[i]!.measuredMs!)
  }
  const best = finalists.reduce((a, b) => (figureOf(b) < figureOf(a) ? b : a))
  tell({
    phase: 'finalists',
    done: finalists.length,
    total: finalists.length,
    message: `${best.id}: ${best.finalMs!.toPrecision(4)} ms of ${search.budgetMs.toPrecision(4)}, ${choiceText(best.choice)}`,
  })
  await writeFileAtomic(join(options.out, 'candidates.csv'), searchCsv(candidates, best))
  await writeFileAtomic(join(options.out, 'pareto.svg'), paretoSvg(finalists, best, search))
  const run = options.train ? undefined : await finishedRun(options, search, best)
  return { best, candidates, latency, ...(run && { run }) }
}
