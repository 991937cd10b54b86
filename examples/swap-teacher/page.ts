import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ShownSample } from '@fx/distill'
import {
  details,
  duration,
  escapeHtml,
  figureTiles,
  json,
  type PictureRow,
  pictureRows,
  reportPage,
  table,
  thousands,
} from '@fx/distill/report'
import { areEqual, type FinishedRun, type Score, type StudentFigures } from './figures.js'

const SHOWN = 8

/** The report of a swap, as one HTML file: both students beside the ground truth. */
export const swapPage = async (runs: readonly FinishedRun[], students: readonly StudentFigures[]): Promise<string> => {
  const { record } = runs[0]!
  const names = runs.map(({ name }) => escapeHtml(name)).join(' and ')
  return reportPage({
    title: `${record.name} - one student, two teachers`,
    body: `<p class="soft">One student, two teachers</p>
<h1>${escapeHtml(record.name)}: ${names}</h1>
<p>One student of ${thousands(record.student.parameters)} parameters learned the effect <b>${escapeHtml(record.effect.id)}</b>
twice, once from each teacher. Between the two runs the teacher changed, and nothing else.</p>
${keyFigures(students)}
<h2>Both students beside the truth</h2>
<p class="soft">Portraits that are drawn, so that the true effect is known; neither teacher nor student ever saw them. The
first ${SHOWN} by seed.</p>
${await judgedPictures(runs, students)}
<h2>What each teacher makes of the effect</h2>
<p class="soft">Pairs that were kept out of training, the first by seed: whatever a teacher gets wrong, its student is taught.</p>
${await teacherPictures(runs)}
<h2>Figures</h2>
<div class="scroll">${figuresTable(students)}</div>
<h2>What stayed as it was</h2>
<div class="scroll">${sameTable(students)}</div>
<h2>Provenance</h2>
<div class="scroll">${provenance(students)}</div>
${details('Effect', json(record.effect))}
${details('Student spec', json(record.student.spec))}`,
  })
}

const percent = (ratio: number): string => `${(ratio * 100).toFixed(0)} %`

const keyFigures = (students: readonly StudentFigures[]): string => {
  const { studentSpecHash, graphTopologyHash } = students[0]!
  const equal = areEqual(students, 'studentSpecHash') && areEqual(students, 'graphTopologyHash')
  return figureTiles([
    ...students.map(({ name, judged }) => ({
      value: percent(judged.ratio),
      label: `of the error of doing nothing: the student of ${name}, on ${judged.pairs} drawn portraits`,
      note: 'target: less than 100 %',
      met: judged.ratio < 1,
    })),
    {
      value: equal ? 'equal' : 'different',
      label: 'student specs, and exported graphs but for weights',
      note: equal ? `${studentSpecHash.slice(0, 12)}, ${graphTopologyHash.slice(0, 12)}` : 'target: equal',
      met: equal,
    },
  ])
}

const picture = async (folder: string, name: string, size: number, alt: string) => ({
  png: await readFile(join(folder, name)),
  size,
  alt,
})

const judgedPictures = async (runs: readonly FinishedRun[], students: readonly StudentFigures[]): Promise<string> => {
  const first = runs[0]!
  const rows: PictureRow[] = []
  for (const { seed, input, teacher } of first.record.judge!.samples.slice(0, SHOWN)) {
    const { size } = first.record
    const truths = join(first.folder, 'judge-samples')
    const pictures = [
      await picture(truths, input, size, `input of seed ${seed}`),
      await picture(truths, teacher, size, `true effect of seed ${seed}`),
    ]
    const errors: string[] = []
    for (const { name, folder, record } of runs) {
      const bySeed = (other: { seed: number }): boolean => other.seed === seed
      const shown = record.judge!.samples.find(bySeed)!
      const { studentMae, doNothingMae } = record.judge!.evaluation.samples.find(bySeed)!
      pictures.push(
        await picture(join(folder, 'judge-samples'), shown.student, size, `student of ${name}, seed ${seed}`),
      )
      if (studentMae !== null && doNothingMae) errors.push(percent(studentMae / doNothingMae))
    }
    rows.push({ pictures, caption: `seed ${seed} · error ${errors.join(' and ')} of doing nothing` })
  }
  return pictureRows(['Input', 'True effect', ...students.map(({ name }) => `Student of ${name}`)], rows)
}

const teacherPictures = async (runs: readonly FinishedRun[]): Promise<string> => {
  const shown = runs.map(({ record }) => record.samples.slice(0, SHOWN))
  const rows: PictureRow[] = []
  for (let pair = 0; pair < Math.min(...shown.map(({ length }) => length)); pair++) {
    const pictures: PictureRow['pictures'][number][] = []
    for (const [place, { name, folder, record }] of runs.entries()) {
      const sample: ShownSample = shown[place]![pair]!
      const samples = join(folder, 'samples')
      pictures.push(await picture(samples, sample.input, record.size, `input of ${name}, pair ${pair + 1}`))
      pictures.push(await picture(samples, sample.teacher, record.size, `target of ${name}, pair ${pair + 1}`))
    }
    rows.push({ pictures, caption: `held-out pair ${pair + 1}` })
  }
  return pictureRows(
    runs.flatMap(({ name }) => [`${name}: before`, 'after']),
    rows,
  )
}

/** A table with a column for each student. */
const byStudent = (students: readonly StudentFigures[], rows: Record<string, (student: StudentFigures) => string>) =>
  table(
    ['', ...students.map(({ name }) => name)],
    Object.entries(rows).map(([label, cell]) => [label, ...students.map(cell)]),
  )

const figuresTable = (students: readonly StudentFigures[]): string => {
  const scores = (where: string, score: (student: StudentFigures) => Score) => ({
    [`${where}: error where the effect acts`]: (student: StudentFigures) => score(student).studentError.toFixed(4),
    [`${where}: error of doing nothing there`]: (student: StudentFigures) => score(student).doNothingError.toFixed(4),
    [`${where}: the rest kept, PSNR`]: (student: StudentFigures) => `${score(student).keptPsnrDb.toFixed(1)} dB`,
  })
  return byStudent(students, {
    ...scores('Drawn portraits', ({ judged }) => judged),
    ...scores("Own teacher's held-out pairs", ({ heldOut }) => heldOut),
    'Pairs to train on': ({ trainingPairs }) => thousands(trainingPairs),
    'Time, all in all': ({ seconds }) => duration(seconds),
  })
}

const sameTable = (students: readonly StudentFigures[]): string =>
  byStudent(students, {
    'Student spec, SHA-256': ({ studentSpecHash }) => studentSpecHash,
    'Exported graph without its weights, SHA-256': ({ graphTopologyHash }) => graphTopologyHash,
    'Parameters of the student': ({ parameters }) => thousands(parameters),
  })

const provenance = (students: readonly StudentFigures[]): string =>
  byStudent(students, {
    Teacher: ({ teacher }) => teacher,
    Version: ({ teacherVersion }) => teacherVersion,
    'Licences of the pairs': ({ licences }) => licences.join(', '),
  })
