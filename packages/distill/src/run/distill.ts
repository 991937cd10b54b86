import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { FxError } from '@fx/core'
import { writeFileAtomic } from '@fx/core/node'
import type { TeacherAdapter } from '@fx/teacher-adapters'
import { resolveConfig } from '../config/resolve.js'
import type { DistillConfig, ResolvedConfig, Student } from '../config/types.js'
import { checkTeacher } from '../data/collect.js'
import { openEventLog } from '../logs/event-log.js'
import { writeReportOf } from '../report/report.js'
import { readCheckpoint } from '../training/checkpoint.js'
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

/**
 * The whole way from a teacher to a trained student: pairs, training, evaluation on held-out pairs, export, report. All
 * of it lands in `config.out`. Run again after it was killed, it goes on from the last checkpoint and ends in the same
 * weights.
 *
 * @throws FxError `invalid-argument`, `shape-mismatch`, `unknown-effect`, ... for a config, teacher and student that do
 *   not fit; `aborted`, `not-finite`, `write-failed` while training, with the last checkpoint intact; `resume-mismatch`
 *   when the folder holds a run of another config.
 */
export const distill = async (config: DistillConfig, options: DistillOptions = {}): Promise<DistillResult> => {
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
    return await run({ config: resolved, teacher, student, backend, clock, options })
  } catch (error) {
    if (student) disposeStudent(student)
    throw error
  } finally {
    resolved.training.loss.dispose()
    await teacher?.dispose?.()
  }
}

const run = async (context: Run): Promise<DistillResult> => {
  const { config, teacher, student, clock, options } = context
  const folder = config.out
  const { onProgress } = clock
  const fingerprint = await fingerprintOf(config, student, teacher)
  const checkpointPath = join(folder, runFiles.checkpoint)
  const from = options.fresh ? undefined : await readCheckpoint<TrainingState>(checkpointPath)
  if (from) checkFingerprint(from.state.fingerprint, fingerprint, folder)
  const finished = from?.state.step === config.training.steps ? await finishedRecord(config) : undefined
  if (finished) {
    await loadStudent(join(folder, runFiles.student), student)
    onProgress({
      type: 'note',
      message: `${folder} already holds this run, finished ${finished.finished}; --fresh starts over`,
    })
    return { folder, metrics: metricsOf(finished), record: finished, student, alreadyFinished: true }
  }
  clock.before = from?.state.seconds ?? 0

  const { pairs, seeds, duplicates } = await withFastTeacher(() => pairsPhase(context))
  await clear(folder, from === undefined)
  const log = await openEventLog(join(folder, runFiles.logs), from && from.state.step + 1)
  try {
    const history = await trainingPhase(context, { pairs, seeds, fingerprint, from, path: checkpointPath }, log)
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
