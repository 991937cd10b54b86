import { FxError } from '@fx/core'
import type { TeacherAdapter } from '@fx/teacher-adapters'
import type { ExportResult, ResolvedConfig, Student } from '../config/types.js'
import { obtainPairs } from '../data/collect.js'
import { changedMask, type PairSet } from '../data/pairs.js'
import { splitSeeds } from '../data/split.js'
import type { EventLog } from '../logs/event-log.js'
import { type Evaluation, evaluate } from '../training/evaluate.js'
import { type MetricFigures, measureAlso } from '../training/extra-metrics.js'
import type { History } from '../training/history.js'
import { type TrainOptions, train } from '../training/train.js'
import type { DistillOptions } from './distill.js'
import { announced } from './progress.js'
import { type JudgeRecord, RECORD_FORMAT_VERSION, type RunRecord } from './record.js'
import type { Stopwatch } from './stopwatch.js'

/** What the parts of a run share. */
export interface Run {
  config: ResolvedConfig
  teacher: TeacherAdapter
  student: Student
  backend: { name: string; reason: string; threads: number }
  clock: Stopwatch
  options: DistillOptions
}

export const pairsPhase = ({ config, teacher, clock, options }: Run) =>
  announced(clock.onProgress, 'pairs', async () => {
    const { pairs, source } = await obtainPairs({
      config,
      teacher,
      signal: options.signal,
      onPair: (done, total) => clock.onProgress({ type: 'progress', phase: 'pairs', done, total }),
    })
    const { heldOut } = config.pairs
    const seeds = splitSeeds(config.seed, pairs.facts.length - heldOut, heldOut)
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

/** Trains, and tells the log. */
export const trainingPhase = (
  { config, student, clock, options }: Run,
  data: Pick<TrainOptions, 'pairs' | 'seeds' | 'fingerprint' | 'from' | 'until' | 'path'>,
  log: EventLog,
): Promise<History> =>
  announced(clock.onProgress, 'training', async () => {
    const steps = data.until ?? config.training.steps
    const start = data.from?.state.step ?? 0
    const value = await train({
      config,
      student,
      ...data,
      seconds: clock.total,
      signal: options.signal,
      onStep: (done, { loss, learningRate }) =>
        clock.onProgress({ type: 'progress', phase: 'training', done, total: steps, values: { loss, learningRate } }),
      onPoint: ({ step, loss, terms, scores, gradientNorm, learningRate }) =>
        log.scalars(step, {
          'train/loss': loss,
          ...(gradientNorm !== null && { 'train/gradient_norm': gradientNorm }),
          'train/learning_rate': learningRate,
          ...Object.fromEntries(Object.entries(terms).map(([name, term]) => [`train/terms/${name}`, term])),
          ...Object.fromEntries(Object.entries(scores).map(([name, score]) => [`train/adversary/${name}`, score])),
        }),
      onEvaluation: ({ step, ...figures }) => logEvaluation(log, step, figures),
    })
    const last = value.curve.at(-1)
    const went = start > 0 ? `from step ${start} to ${steps}` : `${steps} steps`
    return {
      value,
      message: `${went}, batches of ${config.training.batchSize}${last ? `; last loss ${last.loss.toPrecision(3)}` : ''}`,
    }
  })

export const evaluationPhase = ({ config, student, clock }: Run, pairs: PairSet, seeds: readonly number[]) =>
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

/** Measures what the config asks for beyond the evaluation. */
export const metricsPhase = (
  { config, student, clock }: Run,
  metrics: NonNullable<ResolvedConfig['metrics']>,
  pairs: PairSet,
  seeds: readonly number[],
) =>
  announced(clock.onProgress, 'metrics', async () => {
    const value = await measureAlso({
      metrics,
      model: student.model,
      pairs,
      seeds,
      effect: config.effect,
      batchSize: config.training.batchSize,
    })
    const figures = value.map(
      ({ name, student, doNothing }) =>
        `${name} ${student.value.toPrecision(3)} (doing nothing ${doNothing.value.toPrecision(3)})`,
    )
    return { value, message: figures.join(', ') }
  })

export const exportPhase = (
  { config, student, teacher, clock }: Run,
  pairs: PairSet,
  seeds: readonly number[],
  metrics: Record<string, number>,
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
      metrics,
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

/** Who made some pairs, and under which terms they stand. */
export const teacherOf = ({ id, version }: TeacherAdapter, pairs: PairSet): RunRecord['teacher'] => {
  const licences = new Map(pairs.facts.map(({ provenance: { licence } }) => [JSON.stringify(licence), licence]))
  return { id, version, licences: [...licences.values()] }
}

export const recordOf = (
  { config, teacher, student, backend, clock }: Run,
  results: Pick<RunRecord, 'evaluation' | 'history' | 'export'> & {
    pairs: PairSet
    shown: RunRecord['samples']
    metrics?: MetricFigures[]
    judge?: JudgeRecord
    exported?: ExportResult
    duplicates: number
  },
): RunRecord => {
  const { loss, ...numbers } = config.training
  const { heldOut, parameters, changedThreshold } = config.pairs
  const train = results.pairs.facts.length - heldOut
  return {
    formatVersion: RECORD_FORMAT_VERSION,
    name: config.name,
    finished: new Date().toISOString(),
    effect: config.effect,
    size: config.size,
    seed: config.seed,
    backend: { name: backend.name, reason: backend.reason, threads: backend.threads },
    teacher: teacherOf(teacher, results.pairs),
    student: { spec: student.spec, specHash: student.specHash, parameters: student.model.countParams() },
    pairs: { train, heldOut, parameters, changedThreshold, duplicates: results.duplicates },
    training: { ...numbers, loss: loss.names },
    evaluation: results.evaluation,
    history: results.history,
    samples: results.shown,
    ...(results.metrics && { metrics: results.metrics }),
    ...(results.judge && { judge: results.judge }),
    ...(results.exported && { export: { ...results.exported } }),
    seconds: { ...clock.parts, total: clock.total() },
  }
}

export const logEvaluation = (
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
