import { join } from 'node:path'
import { FxError } from '@fx/core'
import { type DistillConfig, type DistillResult, distill, distillUntil } from '@fx/distill'
import type { Candidate, ResolvedSearch, SearchOptions, Train } from './options.js'
import { studentOf } from './space.js'

/** Where the run of a candidate lies. */
const runFolder = (out: string, { id }: Candidate): string => join(out, 'runs', id)

/** The distillation of one candidate; all share their pairs, which are made once. */
const configOf = (
  options: SearchOptions,
  { conditioned, seed }: ResolvedSearch,
  candidate: Candidate,
): DistillConfig => {
  const { out, size, effect, backend, teacher, pairs, training } = options
  return {
    name: candidate.id,
    out: runFolder(out, candidate),
    seed,
    size,
    effect,
    teacher,
    ...(backend && { backend }),
    pairs: { ...pairs, shards: typeof pairs.shards === 'string' ? pairs.shards : join(out, 'pairs') },
    training: { evaluateEvery: 0, ...training },
    student: ({ seed, size }) =>
      studentOf(candidate.choice, { inputSize: size, seed, ...(conditioned && { parameters: effect.parameters }) }),
  }
}

/** Trains by distilling: early figures from a run's checkpoints, the last from the whole run. */
export const distillTrainer =
  (options: SearchOptions, search: ResolvedSearch): Train =>
  async (candidate, step, { signal }) => {
    const config = configOf(options, search, candidate)
    const listening = { signal, onProgress: options.onTraining }
    try {
      if (step < options.training.steps) return search.figure(await distillUntil(step, config, listening))
      const { record, student } = await distill(config, listening)
      student.dispose?.()
      return search.figure(record.evaluation)
    } catch (error) {
      // A student that cannot be trained at this learning rate has lost; the others go on.
      if (FxError.isInstance(error, 'not-finite')) return Number.NaN
      throw error
    }
  }

/** The finished run of a candidate, with the exporter's work if there is one. The caller disposes its student. */
export const finishedRun = (
  options: SearchOptions,
  search: ResolvedSearch,
  candidate: Candidate,
): Promise<DistillResult> =>
  distill(
    { ...configOf(options, search, candidate), ...(options.exporter && { exporter: options.exporter }) },
    { signal: options.signal, onProgress: options.onTraining },
  )
