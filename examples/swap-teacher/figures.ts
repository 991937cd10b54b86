import { join } from 'node:path'
import type { Evaluation, RunRecord } from '@fx/distill'
import { graphTopologyHash } from './topology.js'

/** A finished run under the name of its teacher. */
export interface FinishedRun {
  name: string
  folder: string
  record: RunRecord
}

/** How one student does on some pairs. Errors are mean absolute errors of images in [0, 1], inside the changed region. */
export interface Score {
  pairs: number
  studentError: number
  doNothingError: number
  /** Error over that of doing nothing; below 1 the student does better. */
  ratio: number
  keptPsnrDb: number
}

export interface StudentFigures {
  name: string
  teacher: string
  teacherVersion: string
  licences: string[]
  studentSpecHash: string
  graphTopologyHash: string
  parameters: number
  trainingPairs: number
  /** On drawn portraits, where the true effect is known. */
  judged: Score
  /** On pairs of its own teacher that it was not trained on. */
  heldOut: Score
  /** Pairs, training and all that follows. */
  seconds: number
}

const scoreOf = ({ heldOut, changedRegion, keptRegion }: Evaluation): Score => ({
  pairs: heldOut,
  studentError: changedRegion.studentMae,
  doNothingError: changedRegion.doNothingMae,
  ratio: changedRegion.studentMae / changedRegion.doNothingMae,
  keptPsnrDb: keptRegion.psnrDb,
})

export const figuresOf = async ({ name, folder, record }: FinishedRun): Promise<StudentFigures> => ({
  name,
  teacher: record.teacher.id,
  teacherVersion: record.teacher.version,
  licences: [...new Set(record.teacher.licences.map(({ id }) => id))].sort(),
  studentSpecHash: record.student.specHash,
  graphTopologyHash: await graphTopologyHash(join(folder, 'bundle')),
  parameters: record.student.parameters,
  trainingPairs: record.pairs.train,
  judged: scoreOf(record.judge!.evaluation),
  heldOut: scoreOf(record.evaluation),
  seconds: record.seconds.total,
})

/** Whether all students have the same value of a member that the teacher must not touch. */
export const areEqual = (
  students: readonly StudentFigures[],
  member: 'studentSpecHash' | 'graphTopologyHash',
): boolean => new Set(students.map(student => student[member])).size === 1

/** What went against the promise, in sentences; none when a swap costs nothing and both students learned. */
export const problemsOf = (students: readonly StudentFigures[]): string[] => [
  ...(areEqual(students, 'studentSpecHash') ? [] : ['The students have different specs.']),
  ...(areEqual(students, 'graphTopologyHash') ? [] : ['The exported graphs differ in more than their weights.']),
  ...students
    .filter(({ judged }) => !(judged.ratio < 1))
    .map(
      ({ name, judged }) =>
        `The student of ${name} does not beat doing nothing: error ${judged.studentError.toFixed(4)} against ` +
        `${judged.doNothingError.toFixed(4)} where the effect acts.`,
    ),
]

const columns: Record<string, (student: StudentFigures) => string | number> = {
  name: ({ name }) => name,
  teacher: ({ teacher }) => teacher,
  teacher_version: ({ teacherVersion }) => teacherVersion,
  licences: ({ licences }) => licences.join(' '),
  student_spec: ({ studentSpecHash }) => studentSpecHash,
  graph_topology: ({ graphTopologyHash }) => graphTopologyHash,
  training_pairs: ({ trainingPairs }) => trainingPairs,
  judged_error: ({ judged }) => judged.studentError,
  judged_doing_nothing: ({ judged }) => judged.doNothingError,
  judged_kept_psnr_db: ({ judged }) => judged.keptPsnrDb,
  held_out_error: ({ heldOut }) => heldOut.studentError,
  held_out_doing_nothing: ({ heldOut }) => heldOut.doNothingError,
  held_out_kept_psnr_db: ({ heldOut }) => heldOut.keptPsnrDb,
  seconds: ({ seconds }) => seconds,
}

/** One line a student. */
export const csvOf = (students: readonly StudentFigures[]): string =>
  [Object.keys(columns), ...students.map(student => Object.values(columns).map(column => column(student)))]
    .map(row => `${row.join(',')}\n`)
    .join('')
