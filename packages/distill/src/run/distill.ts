import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { prepareBackend } from '@fx/backend'
import { installTrainingKernels } from '@fx/backend/training'
import { FxError } from '@fx/core'
import { writeFileAtomic } from '@fx/core/node'
import type { TeacherAdapter } from '@fx/teacher-adapters'
import { resolveConfig } from '../config/resolve.js'
import type { DistillConfig, ExportResult, ResolvedConfig, Student } from '../config/types.js'
import { checkTeacher, obtainPairs } from '../data/collect.js'
import { changedMask, type PairSet } from '../data/pairs.js'
import { splitSeeds } from '../data/split.js'
import { type EventLog, openEventLog } from '../logs/tfevents.js'
import { writeReport } from '../report/report.js'
import { readCheckpoint } from '../training/checkpoint.js'
import { type Evaluation, evaluate } from '../training/evaluate.js'
import { checkStudent } from '../training/forward.js'
import { type TrainingState, train } from '../training/train.js'
import { checkFingerprint, fingerprintOf } from './fingerprint.js'
import { announced, type OnProgress, type Phase, type ProgressEvent } from './progress.js'
import { flatMetrics, type Metrics, metricsOf, type RunRecord, readRecord, runFiles, writeRecord } from './record.js'
import { writeSamples } from './samples.js'
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
  record: Omit<RunRecord, 'formatVersion'>
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
    const value = await prepareBackend({ backend: resolved.backend })
    return { value, message: `${value.name}: ${value.reason}` }
  })
  const uninstall = await installTrainingKernels()
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
    uninstall()
    await teacher?.dispose?.()
  }
}

interface Run {
  config: ResolvedConfig
  teacher: TeacherAdapter
  student: Student
  backend: { name: string; reason: string; threads: number }
  clock: Stopwatch
  options: DistillOptions
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
  await clear(folder, from === undefined)
  clock.before = from?.state.seconds ?? 0

  const { pairs, seeds, duplicates } = await pairsPhase(context)
  const log = await openEventLog(join(folder, runFiles.logs), from && from.state.step + 1)
  try {
    const history = await announced(onProgress, 'training', async () => {
      const { steps } = config.training
      const start = from?.state.step ?? 0
      const value = await train({
        config,
        student,
        pairs,
        seeds,
        fingerprint,
        from,
        path: checkpointPath,
        seconds: clock.total,
        signal: options.signal,
        onStep: (done, { loss, learningRate }) =>
          onProgress({ type: 'progress', phase: 'training', done, total: steps, values: { loss, learningRate } }),
        onPoint: ({ step, loss, terms, gradientNorm, learningRate }) =>
          log.scalars(step, {
            'train/loss': loss,
            'train/gradient_norm': gradientNorm,
            'train/learning_rate': learningRate,
            ...Object.fromEntries(Object.entries(terms).map(([name, term]) => [`train/terms/${name}`, term])),
          }),
        onEvaluation: ({ step, ...figures }) => logEvaluation(log, step, figures),
      })
      const went = start > 0 ? `from step ${start} to ${steps}` : `${steps} steps`
      return {
        value,
        message: `${went} of ${config.training.batchSize} pairs; last loss ${value.curve.at(-1)!.loss.toPrecision(3)}`,
      }
    })
    const evaluation = await evaluationPhase(context, pairs, seeds.heldOut)
    const { samples, ...pooled } = evaluation
    history.evaluations.push({ step: config.training.steps, ...pooled })
    await logEvaluation(log, config.training.steps, pooled)
    await saveStudent(join(folder, runFiles.student), student)
    const shown = await writeSamples(folder, samples, {
      ...config.pairs,
      model: student.model,
      pairs,
      effect: config.effect,
      batchSize: config.training.batchSize,
    })
    const exported = config.exporter && (await exportPhase(context, pairs, seeds.heldOut, evaluation))
    const record = recordOf(context, { pairs, evaluation, history, shown, exported, duplicates })
    await announced(onProgress, 'report', async () => {
      await writeRecord(folder, record)
      await writeFileAtomic(join(folder, runFiles.metrics), `${JSON.stringify(metricsOf(record), null, 2)}\n`)
      return { value: await writeReport(folder), message: join(folder, runFiles.report) }
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
  // A run that now has an exporter and had none still has work to do.
  return config.exporter && !record?.export ? undefined : record
}

/** Removes what an earlier run left, so that nobody takes its results for those of this one. Cached pairs stay. */
const clear = async (folder: string, everything: boolean): Promise<void> => {
  const { checkpoint, logs, ...results } = runFiles
  const names = everything ? Object.values(runFiles) : Object.values(results)
  await Promise.all(names.map(name => rm(join(folder, name), { recursive: true, force: true })))
}

const pairsPhase = ({ config, teacher, clock, options }: Run) =>
  announced(clock.onProgress, 'pairs', async () => {
    const { pairs, source } = await obtainPairs({
      config,
      teacher,
      signal: options.signal,
      onPair: (done, total) => clock.onProgress({ type: 'progress', phase: 'pairs', done, total }),
    })
    const seeds = splitSeeds(config.seed, config.pairs.train, config.pairs.heldOut)
    await refuseUnchanged(pairs, seeds.heldOut, config)
    const trained = new Set(seeds.train.map(seed => pairs.facts[seed]!.inputHash))
    const duplicates = seeds.heldOut.filter(seed => trained.has(pairs.facts[seed]!.inputHash)).length
    const also = duplicates > 0 ? `; ${duplicates} held-out inputs equal a training input` : ''
    return {
      value: { pairs, seeds, duplicates },
      message: `${seeds.train.length} to train, ${seeds.heldOut.length} held out, ${source}${also}`,
    }
  })

const refuseUnchanged = async (pairs: PairSet, seeds: readonly number[], config: ResolvedConfig): Promise<void> => {
  for (const seed of seeds) {
    if (changedMask(await pairs.read(seed), config.pairs.changedThreshold).includes(1)) return
  }
  throw new FxError(
    'invalid-argument',
    `The teacher changed nothing in ${seeds.length} held-out pairs (no channel by more than ` +
      `${config.pairs.changedThreshold} of 255): there is no effect to learn`,
  )
}

const evaluationPhase = ({ config, student, clock }: Run, pairs: PairSet, seeds: readonly number[]) =>
  announced(clock.onProgress, 'evaluation', async () => {
    const value = await evaluate({
      model: student.model,
      pairs,
      seeds,
      effect: config.effect,
      batchSize: config.training.batchSize,
      changedThreshold: config.pairs.changedThreshold,
      onProgress: (done, total) => clock.onProgress({ type: 'progress', phase: 'evaluation', done, total }),
    })
    const { studentMae, doNothingMae } = value.changedRegion
    return {
      value,
      message:
        `${value.heldOut} held-out pairs: error ${studentMae.toFixed(4)} where the effect acts, ` +
        `${(studentMae / doNothingMae).toFixed(2)} of doing nothing; the rest kept at ${value.keptRegion.psnrDb.toFixed(1)} dB`,
    }
  })

const exportPhase = (
  { config, student, teacher, clock }: Run,
  pairs: PairSet,
  seeds: readonly number[],
  evaluation: Evaluation,
) =>
  announced(clock.onProgress, 'export', async (): Promise<{ value: ExportResult; message: string }> => {
    const { size } = config
    const value = await config.exporter!({
      model: student.model,
      spec: student.spec,
      specHash: student.specHash,
      effect: config.effect,
      provenance: {
        teacher: teacher.id,
        teacherVersion: teacher.version,
        licences: [...new Set(pairs.facts.map(({ provenance }) => provenance.licence.id))].sort(),
      },
      metrics: flatMetrics(evaluation),
      probe: { width: size, height: size, data: (await pairs.read(seeds[0]!)).input },
      folder: config.out,
    })
    const { layersMsP50, fusedMsP50, maxAbsDiff } = value
    return {
      value,
      message:
        `${value.folder}: ${fusedMsP50.toFixed(1)} ms an image, ${(layersMsP50 / fusedMsP50).toFixed(1)} times as fast ` +
        `as the LayersModel; equal to ${maxAbsDiff.toExponential(1)}`,
    }
  })

const logEvaluation = (
  log: EventLog,
  step: number,
  { changedRegion, keptRegion, fullImage }: Omit<Evaluation, 'samples'>,
): Promise<void> =>
  log.scalars(step, {
    'held_out/changed_mae': changedRegion.studentMae,
    'held_out/changed_mae_of_doing_nothing': changedRegion.studentMae / changedRegion.doNothingMae,
    'held_out/kept_psnr_db': keptRegion.psnrDb,
    'held_out/full_mae': fullImage.studentMae,
  })

const recordOf = (
  { config, teacher, student, backend, clock }: Run,
  results: Pick<RunRecord, 'evaluation' | 'history' | 'export'> & {
    pairs: PairSet
    shown: RunRecord['samples']
    exported?: ExportResult
    duplicates: number
  },
): Omit<RunRecord, 'formatVersion'> => {
  const { loss, ...numbers } = config.training
  const { train, heldOut, parameters, changedThreshold } = config.pairs
  const licences = new Map(results.pairs.facts.map(({ provenance: { licence } }) => [JSON.stringify(licence), licence]))
  return {
    name: config.name,
    finished: new Date().toISOString(),
    effect: config.effect,
    size: config.size,
    seed: config.seed,
    backend: { name: backend.name, reason: backend.reason, threads: backend.threads },
    teacher: { id: teacher.id, version: teacher.version, licences: [...licences.values()] },
    student: { spec: student.spec, specHash: student.specHash, parameters: student.model.countParams() },
    pairs: { train, heldOut, parameters, changedThreshold, duplicates: results.duplicates },
    training: { ...numbers, loss: loss.names },
    evaluation: results.evaluation,
    history: results.history,
    samples: results.shown,
    ...(results.exported && { export: { ...results.exported } }),
    seconds: { ...clock.parts, total: clock.total() },
  }
}

interface Stopwatch {
  /** Seconds of earlier sessions of the run. */
  before: number
  /** Seconds of the finished parts of this session. */
  parts: Partial<Record<Phase, number>>
  total: () => number
  onProgress: OnProgress
}

/** Times the run, and each part by listening to what it announces. */
const stopwatch = (listener?: OnProgress): Stopwatch => {
  const start = performance.now()
  const clock: Stopwatch = {
    before: 0,
    parts: {},
    total: () => clock.before + (performance.now() - start) / 1000,
    onProgress: (event: ProgressEvent) => {
      if (event.type === 'done') clock.parts[event.phase] = event.seconds
      listener?.(event)
    },
  }
  return clock
}
