import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { FxError, integerIn } from '@fx/core'
import { writeFileAtomic } from '@fx/core/node'
import type { TeacherAdapter } from '@fx/teacher-adapters'
import { resolveConfig } from '../config/resolve.js'
import type { DistillConfig, ResolvedConfig, Student } from '../config/types.js'
import { checkTeacher } from '../data/collect.js'
import { openEventLog } from '../logs/event-log.js'
import { writeReportOf } from '../report/report.js'
import { readCheckpoint } from '../training/checkpoint.js'
import type { Evaluation } from '../training/evaluate.js'
import { checkStudent } from '../training/forward.js'
import type { TrainingState } from '../training/train.js'
import { openBackend, withFastTeacher } from './backend.js'
import { checkFingerprint, fingerprintOf } from './fingerprint.js'
import { judgePhase } from './judge.js'
import {
  evaluationPhase,
  exportPhase,
  logEvaluation,
  metricsPhase,
  pairsPhase,
  type Run,
  recordOf,
  trainingPhase,
} from './phases.js'
import { announced, type OnProgress } from './progress.js'
import { flatMetrics, type Metrics, metricsOf, type RunRecord, readRecord, runFiles, writeRecord } from './record.js'
import { logSamples, writeSamples } from './samples.js'
import { stopwatch } from './stopwatch.js'
import { loadStudent, saveStudent } from './student-files.js'

export interface DistillOptions {
  /** When it fires, the current step is finished, a checkpoint is written, and the run fails with `aborted`. */
  signal?: AbortSignal
  onProgress?: OnProgress
  /** Start over, whatever the out folder holds of an earlier run. Default false: go on from its checkpoint. */
  fresh?: boolean
}

export interface DistillResult {
  /** The run's folder, absolute. */
  folder: string
  metrics: Metrics
  record: RunRecord
  /** The trained student. The caller owns it and disposes it. */
  student: Student
  /** True when the folder held this very run, finished: nothing was computed again. */
  alreadyFinished: boolean
}

export const disposeStudent = (student: Student): void => {
  if (student.dispose) student.dispose()
  else student.model.dispose()
}

/** Opens what a run needs, and disposes the teacher and the loss when the work is over; the student only when it failed. */
const opened = async <T>(
  config: DistillConfig,
  options: DistillOptions,
  work: (run: Run) => Promise<T>,
): Promise<T> => {
  const resolved = resolveConfig(config)
  const clock = stopwatch(options.onProgress)
  const backend = await announced(clock.onProgress, 'backend', async () => {
    const value = await openBackend(resolved)
    return { value, message: value.reason }
  })
  let teacher: TeacherAdapter | undefined
  let student: Student | undefined
  try {
    teacher = await resolved.teacher()
    checkTeacher(teacher, resolved)
    student = await resolved.student({ seed: resolved.seed, size: resolved.size, effect: resolved.effect })
    checkStudent(student, resolved)
    return await work({ config: resolved, teacher, student, backend, clock, options })
  } catch (error) {
    if (student) disposeStudent(student)
    throw error
  } finally {
    resolved.training.loss.dispose()
    await teacher?.dispose?.()
  }
}

/**
 * The whole way from a teacher to a trained student: pairs, training, evaluation on held-out pairs, export, report. All
 * of it lands in `config.out`. Run again after it was killed, it goes on from the last checkpoint and ends in the same
 * weights.
 *
 * @throws FxError `invalid-argument`, `shape-mismatch`, `unknown-effect`, ... for a config, teacher and student that do
 *   not fit; `aborted`, `not-finite`, `write-failed` while training, with the last checkpoint intact; `resume-mismatch`
 *   when the folder holds a run of another config.
 */
export const distill = (config: DistillConfig, options: DistillOptions = {}): Promise<DistillResult> =>
  opened(config, options, run)

/**
 * The first part of a run: trains up to a step of the config's schedule, tells how the averaged weights do on the
 * held-out pairs, and leaves a checkpoint in `config.out`. A later call with another step, or `distill`, goes on from it
 * and ends in the weights of an unbroken run. So many students can be compared early and a few be trained on.
 *
 * @throws FxError as `distill`; `invalid-argument` for a step beyond the schedule; `resume-mismatch` when the folder's run
 *   is past the step already.
 */
export const distillUntil = async (
  step: number,
  config: DistillConfig,
  options: DistillOptions = {},
): Promise<Evaluation> => {
  integerIn('step', step, 1, config.training.steps)
  return opened(config, options, async context => {
    const { config, student } = context
    const { fingerprint, path, from } = await begin(context)
    const done = from?.state.step ?? 0
    if (done > step) {
      throw new FxError('resume-mismatch', `The run in ${config.out} is at step ${done} already, past ${step}`, {
        details: { done, step },
      })
    }
    const { pairs, seeds } = await withFastTeacher(() => pairsPhase(context))
    await clear(config.out, from === undefined)
    const log = await openEventLog(join(config.out, runFiles.logs), from && done + 1)
    try {
      await trainingPhase(context, { pairs, seeds, fingerprint, from, until: step, path }, log)
    } finally {
      await log.close()
    }
    const evaluation = await evaluationPhase(context, pairs, seeds.heldOut)
    disposeStudent(student)
    return evaluation
  })
}

/** The run's identity, and the checkpoint that it goes on from. */
const begin = async ({ config, student, teacher, clock, options }: Run) => {
  const fingerprint = await fingerprintOf(config, student, teacher)
  const path = join(config.out, runFiles.checkpoint)
  const from = options.fresh ? undefined : await readCheckpoint<TrainingState>(path)
  if (from) checkFingerprint(from.state.fingerprint, fingerprint, config.out)
  clock.before = from?.state.seconds ?? 0
  return { fingerprint, path, from }
}

const run = async (context: Run): Promise<DistillResult> => {
  const { config, student, clock } = context
  const folder = config.out
  const { onProgress } = clock
  const { fingerprint, path, from } = await begin(context)
  const finished = from?.state.step === config.training.steps ? await finishedRecord(config) : undefined
  if (finished) {
    await loadStudent(join(folder, runFiles.student), student)
    onProgress({
      type: 'note',
      message: `${folder} already holds this run, finished ${finished.finished}; --fresh starts over`,
    })
    return { folder, metrics: metricsOf(finished), record: finished, student, alreadyFinished: true }
  }

  const { pairs, seeds, duplicates } = await withFastTeacher(() => pairsPhase(context))
  await clear(folder, from === undefined)
  const log = await openEventLog(join(folder, runFiles.logs), from && from.state.step + 1)
  try {
    const history = await trainingPhase(context, { pairs, seeds, fingerprint, from, path }, log)
    const evaluation = await evaluationPhase(context, pairs, seeds.heldOut)
    const { samples, ...pooled } = evaluation
    history.evaluations.push({ step: config.training.steps, ...pooled })
    await logEvaluation(log, config.training.steps, pooled)
    await saveStudent(join(folder, runFiles.student), student)
    const shown = await writeSamples(join(folder, runFiles.samples), samples, {
      ...config.pairs,
      model: student.model,
      pairs,
      effect: config.effect,
      batchSize: config.training.batchSize,
    })
    await logSamples(log, config.training.steps, folder, shown, config.size)
    const { judge: asked, metrics: wanted } = config
    const metrics = wanted && (await metricsPhase(context, wanted, pairs, seeds.heldOut))
    const judge = asked && (await withFastTeacher(() => judgePhase(context, asked)))
    const exported =
      config.exporter && (await exportPhase(context, pairs, seeds.heldOut, flatMetrics(evaluation, metrics)))
    const record = recordOf(context, { pairs, evaluation, history, shown, metrics, judge, exported, duplicates })
    await announced(onProgress, 'report', async () => {
      await writeFileAtomic(join(folder, runFiles.metrics), `${JSON.stringify(metricsOf(record), null, 2)}\n`)
      const value = await writeReportOf(record, folder)
      // Last: a folder that has a record is finished.
      await writeRecord(folder, record)
      return { value, message: value }
    })
    return { folder, metrics: metricsOf(record), record, student, alreadyFinished: false }
  } finally {
    await log.close()
  }
}

const finishedRecord = async (config: ResolvedConfig): Promise<RunRecord | undefined> => {
  const record = await readRecord(config.out).catch(error => {
    if (FxError.isInstance(error, 'not-found')) return undefined
    throw error
  })
  // A run that now has an exporter, a judge or metrics and had none still has work to do.
  const incomplete =
    (config.exporter && !record?.export) || (config.judge && !record?.judge) || (config.metrics && !record?.metrics)
  return incomplete ? undefined : record
}

/** Removes what an earlier run left, so that nobody takes its results for those of this one. Cached pairs stay. */
const clear = async (folder: string, everything: boolean): Promise<void> => {
  const { checkpoint, logs, ...results } = runFiles
  const names = everything ? Object.values(runFiles) : Object.values(results)
  await Promise.all(names.map(name => rm(join(folder, name), { recursive: true, force: true })))
}
