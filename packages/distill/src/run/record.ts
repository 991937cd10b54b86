import { join } from 'node:path'
import { type EffectSpec, FxError } from '@fx/core'
import { readJson, writeFileAtomic } from '@fx/core/node'
import type { Licence } from '@fx/teacher-adapters'
import type { ExportResult } from '../config/types.js'
import type { Evaluation } from '../training/evaluate.js'
import type { MetricFigures } from '../training/extra-metrics.js'
import type { History } from '../training/history.js'

/** The version of the record's format that this code writes and the newest it reads. */
export const RECORD_FORMAT_VERSION = 1

/** Names of a run's files, relative to its folder. */
export const runFiles = {
  record: 'run.json',
  metrics: 'metrics.json',
  report: 'report.html',
  checkpoint: 'checkpoint.safetensors',
  logs: 'logs',
  samples: 'samples',
  judgeSamples: 'judge-samples',
  student: 'student',
} as const

/** One held-out pair that is shown, with the rule by which it was chosen. */
export interface ShownSample {
  seed: number
  label: string
  /** PNG files, relative to their folder. */
  input: string
  teacher: string
  student: string
}

/** `metrics.json`. */
export interface Metrics {
  teacher: string
  studentSpecHash: string
  heldOut: number
  changedRegion: { studentMae: number; doNothingMae: number; fraction: number }
  keptRegion: { psnrDb: number }
  fullImage: { studentMae: number; doNothingMae: number; psnrDb: number }
  /** Only when metrics are configured, by their names. */
  metrics?: Record<string, { student: number; doNothing: number }>
  /** Only when a judge is configured: the student against another teacher's pairs. */
  judge?: { teacher: string } & Pick<Metrics, 'heldOut' | 'changedRegion' | 'keptRegion' | 'fullImage'>
  /** Only when an exporter is configured. */
  export?: { maxAbsDiff: number; layersMsP50: number; fusedMsP50: number }
  /** The whole run, over all its sessions. */
  seconds: number
}

/** What a judge found. */
export interface JudgeRecord {
  teacher: RunRecord['teacher']
  evaluation: Evaluation
  samples: ShownSample[]
}

/** `run.json`: all that a report needs, besides the pictures in the samples folder. */
export interface RunRecord {
  formatVersion: number
  name: string
  /** When the run ended, ISO 8601. */
  finished: string
  effect: EffectSpec
  size: number
  seed: number
  backend: { name: string; reason: string; threads: number }
  teacher: { id: string; version: string; licences: Licence[] }
  student: { spec: unknown; specHash: string; parameters: number }
  pairs: { train: number; heldOut: number; parameters: unknown; changedThreshold: number; duplicates: number }
  /** Training options, without functions; `loss` holds the names of the terms. */
  training: Record<string, unknown>
  evaluation: Evaluation
  history: History
  samples: ShownSample[]
  metrics?: MetricFigures[]
  judge?: JudgeRecord
  export?: ExportResult & Record<string, unknown>
  /** Wall-clock seconds by part. */
  seconds: Record<string, number> & { total: number }
}

export const writeRecord = (folder: string, record: RunRecord): Promise<void> =>
  writeFileAtomic(join(folder, runFiles.record), JSON.stringify(record, null, 2))

/**
 * Reads the record of a finished run.
 *
 * @throws FxError `not-found`, `corrupt-file` or `newer-version`.
 */
export const readRecord = async (folder: string): Promise<RunRecord> => {
  const path = join(folder, runFiles.record)
  const record = (await readJson(path)) as Partial<RunRecord> | null
  if (typeof record?.formatVersion !== 'number' || !record.evaluation || !record.history || !record.samples) {
    throw new FxError('corrupt-file', `${path} is not the record of a run`)
  }
  if (record.formatVersion > RECORD_FORMAT_VERSION) {
    throw new FxError(
      'newer-version',
      `${path} has format version ${record.formatVersion}; this code reads up to ${RECORD_FORMAT_VERSION}`,
    )
  }
  return record as RunRecord
}

/** The figures of `metrics.json`. */
export const metricsOf = (record: RunRecord): Metrics => {
  const { heldOut, changedRegion, keptRegion, fullImage } = record.evaluation
  const { export: exported, judge, metrics } = record
  return {
    teacher: record.teacher.id,
    studentSpecHash: record.student.specHash,
    heldOut,
    changedRegion,
    keptRegion,
    fullImage,
    ...(metrics && {
      metrics: Object.fromEntries(
        metrics.map(({ name, student, doNothing }) => [name, { student: student.value, doNothing: doNothing.value }]),
      ),
    }),
    ...(judge && {
      judge: {
        teacher: judge.teacher.id,
        heldOut: judge.evaluation.heldOut,
        changedRegion: judge.evaluation.changedRegion,
        keptRegion: judge.evaluation.keptRegion,
        fullImage: judge.evaluation.fullImage,
      },
    }),
    ...(exported && {
      export: {
        maxAbsDiff: exported.maxAbsDiff,
        layersMsP50: exported.layersMsP50,
        fusedMsP50: exported.fusedMsP50,
      },
    }),
    seconds: record.seconds.total,
  }
}

/** Held-out figures by name, for model cards and logs. */
export const flatMetrics = (
  { changedRegion, keptRegion, fullImage, heldOut }: Evaluation,
  metrics: readonly MetricFigures[] = [],
): Record<string, number> => ({
  heldOut,
  changedRegionStudentMae: changedRegion.studentMae,
  changedRegionDoNothingMae: changedRegion.doNothingMae,
  keptRegionPsnrDb: keptRegion.psnrDb,
  fullImageStudentMae: fullImage.studentMae,
  fullImagePsnrDb: fullImage.psnrDb,
  ...Object.fromEntries(metrics.map(({ name, student }) => [name, student.value])),
})
