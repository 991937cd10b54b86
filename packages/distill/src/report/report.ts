import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FxError } from '@fx/core'
import { writeFileAtomic } from '@fx/core/node'
import { decodePng, encodePng } from '@fx/teacher-adapters'
import { type RunRecord, readRecord, runFiles, type ShownSample } from '../run/record.js'
import type { MetricFigures } from '../training/extra-metrics.js'
import { chartsHtml } from './charts.js'
import { details, duration, escapeHtml, figureTiles, json, table, thousands } from './html.js'
import { reportPage } from './page.js'
import { type PictureRow, pictureRows } from './pictures.js'
import { targets } from './targets.js'

/** How much the difference pictures are brightened. */
const DIFFERENCE_GAIN = 4

/**
 * Builds `report.html` of a finished run from its record and its sample pictures: one file that needs no network.
 *
 * @returns the path of the report.
 * @throws FxError `not-found` or `corrupt-file` when the folder does not hold a finished run, `write-failed`.
 */
export const writeReport = async (folder: string): Promise<string> => writeReportOf(await readRecord(folder), folder)

/** The report of a run whose record is not written yet. */
export const writeReportOf = async (record: RunRecord, folder: string): Promise<string> => {
  const path = join(folder, runFiles.report)
  await writeFileAtomic(path, await page(record, folder))
  return path
}

const page = async (record: RunRecord, folder: string): Promise<string> =>
  reportPage({
    title: `${record.name} - distillation report`,
    body: `<p class="soft">Distillation report, ${escapeHtml(record.finished.slice(0, 16).replace('T', ' '))} UTC</p>
<h1>${escapeHtml(record.name)}</h1>
${summary(record)}
${keyFigures(record)}
<h2>Pictures</h2>
<p class="soft">Held-out pairs, which the student never saw: the first of them by seed, then the best, the median and the
worst by error. The difference is between teacher and student, ${DIFFERENCE_GAIN} times as bright.</p>
${await samplesHtml(record, join(folder, runFiles.samples))}
${await judgeHtml(record, folder)}<h2>Curves</h2>
${await chartsHtml(record)}
<h2>Figures</h2>
<div class="scroll">${figuresTable(record)}</div>
${latency(record)}
<h2>Provenance</h2>
<div class="scroll">${provenance(record)}</div>
<h2>Everything else</h2>
${details('Training options', json({ seed: record.seed, size: record.size, pairs: record.pairs, training: record.training }))}
${details('Effect', json(record.effect))}
${details(`Student spec ${record.student.specHash.slice(0, 12)}`, json(record.student.spec))}
${details('Seconds by part of the last session', json(record.seconds))}`,
  })

const summary = ({ student, effect, pairs, teacher, size, training, backend, seconds }: RunRecord): string =>
  `<p>A student of ${thousands(student.parameters)} parameters learned the effect <b>${escapeHtml(effect.id)}</b> from
${thousands(pairs.train)} pairs of ${size}x${size} pixels by the teacher <b>${escapeHtml(teacher.id)}</b>
(version ${escapeHtml(teacher.version)}): ${thousands(Number(training.steps))} steps of ${escapeHtml(training.batchSize)} pairs on
${escapeHtml(backend.name)}, ${duration(seconds.total)} in all. It is judged on ${thousands(pairs.heldOut)} pairs that it
never saw${pairs.duplicates > 0 ? `, ${pairs.duplicates} of which have an input that equals one of training` : ''}.</p>`

const keyFigures = ({ evaluation, export: exported }: RunRecord): string => {
  const { studentMae, doNothingMae } = evaluation.changedRegion
  const ratio = studentMae / doNothingMae
  const { psnrDb } = evaluation.keptRegion
  return figureTiles([
    {
      value: `${(ratio * 100).toFixed(0)} %`,
      label: 'of the error of doing nothing, where the effect acts',
      note: `target: at most ${targets.changedRatio * 100} %`,
      met: ratio <= targets.changedRatio,
    },
    {
      value: `${psnrDb.toFixed(1)} dB`,
      label: 'how well the rest is kept (PSNR)',
      note: `target: at least ${targets.keptPsnrDb} dB`,
      met: psnrDb >= targets.keptPsnrDb,
    },
    ...(exported
      ? [
          {
            value: exported.maxAbsDiff.toExponential(1),
            label: 'largest difference of the exported model',
            note: `target: at most ${targets.exportDifference.toExponential(0)}`,
            met: exported.maxAbsDiff <= targets.exportDifference,
          },
        ]
      : []),
  ])
}

const readPicture = async (folder: string, name: string) => {
  const path = join(folder, name)
  const png = await readFile(path).catch(error => {
    throw new FxError('not-found', `Cannot read the sample picture ${path}: ${(error as Error).message}`)
  })
  return { png, image: decodePng(png, { name: path }) }
}

type Judged = Pick<RunRecord, 'samples' | 'evaluation'>

const samplesHtml = async (record: Judged, folder: string, truth = 'Teacher'): Promise<string> => {
  const rows: PictureRow[] = []
  for (const sample of record.samples) rows.push(await sampleRow(sample, record, folder))
  return pictureRows(['Input', truth, 'Student', 'Difference'], rows)
}

const sampleRow = async (sample: ShownSample, record: Judged, folder: string): Promise<PictureRow> => {
  const [input, teacher, student] = await Promise.all(
    [sample.input, sample.teacher, sample.student].map(name => readPicture(folder, name)),
  )
  const { width, height, data } = teacher!.image
  const difference = encodePng({
    width,
    height,
    data: Uint8Array.from(data, (value, at) =>
      Math.min(255, Math.abs(value - student!.image.data[at]!) * DIFFERENCE_GAIN),
    ),
  })
  const figures = record.evaluation.samples.find(({ seed }) => seed === sample.seed)
  const ratio =
    figures?.studentMae != null && figures.doNothingMae ? figures.studentMae / figures.doNothingMae : undefined
  const words = [
    `seed ${sample.seed}`,
    sample.label,
    ...(ratio === undefined ? [] : [`error ${(ratio * 100).toFixed(0)} % of doing nothing`]),
    ...(figures?.keptPsnrDb == null ? [] : [`rest ${figures.keptPsnrDb.toFixed(1)} dB`]),
  ]
  const pictures = { input: input!.png, teacher: teacher!.png, student: student!.png, difference }
  return {
    pictures: Object.entries(pictures).map(([role, png]) => ({
      png,
      size: width,
      alt: `${role} of seed ${sample.seed}`,
    })),
    caption: words.join(' · '),
  }
}

const figuresTable = ({
  evaluation,
  pairs,
  metrics = [],
}: Pick<RunRecord, 'evaluation' | 'pairs' | 'metrics'>): string => {
  const { changedRegion, keptRegion, fullImage } = evaluation
  return table(
    ['Where', 'Measure', 'Student', 'Doing nothing'],
    [
      [
        `Changed region (${(changedRegion.fraction * 100).toFixed(1)} % of the pixels: a channel differs by more than ${pairs.changedThreshold} of 255)`,
        'mean absolute error, 0 to 1',
        changedRegion.studentMae.toFixed(4),
        changedRegion.doNothingMae.toFixed(4),
      ],
      ['The rest', 'PSNR against the input, dB', keptRegion.psnrDb.toFixed(2), 'exact'],
      [
        'Whole image',
        'mean absolute error, 0 to 1',
        fullImage.studentMae.toFixed(4),
        fullImage.doNothingMae.toFixed(4),
      ],
      ['Whole image', 'PSNR against the teacher, dB', fullImage.psnrDb.toFixed(2), ''],
      ...metrics.map(({ name, student, doNothing, ideal }) => [
        'Whole image',
        ideal === null ? name : `${name}, perfect at ${ideal}`,
        withInterval(student),
        withInterval(doNothing),
      ]),
    ],
  )
}

const withInterval = ({ value, interval }: MetricFigures['student']): string =>
  interval
    ? `${value.toPrecision(4)} (${interval.low.toPrecision(3)} to ${interval.high.toPrecision(3)})`
    : value.toPrecision(4)

/** The student against another teacher's answers. */
const judgeHtml = async ({ judge, pairs }: RunRecord, folder: string): Promise<string> => {
  if (!judge) return ''
  const { teacher, evaluation } = judge
  const { studentMae, doNothingMae } = evaluation.changedRegion
  return `<h2>Judged by ${escapeHtml(teacher.id)}</h2>
<p>On ${thousands(evaluation.heldOut)} pairs of <b>${escapeHtml(teacher.id)}</b> (version ${escapeHtml(teacher.version)}), of
which the student saw none, its error where the effect acts is <b>${((studentMae / doNothingMae) * 100).toFixed(0)} %</b> of
that of doing nothing.</p>
${await samplesHtml(judge, join(folder, runFiles.judgeSamples), 'Judge')}
<div class="scroll">${figuresTable({ evaluation, pairs })}</div>
`
}

const latency = ({ export: exported, backend, size }: RunRecord): string =>
  exported
    ? `<h2>Latency</h2><p class="soft">Median of one ${size}x${size} image on ${escapeHtml(backend.name)}
${backend.threads > 1 ? `with ${backend.threads} threads ` : ''}on the machine that trained; both models measured in turn.</p><div class="scroll">${table(
        ['Model', 'ms', 'Images a second', 'Times as fast'],
        [
          ['trained LayersModel', exported.layersMsP50],
          ['exported, fused', exported.fusedMsP50],
        ].map(([name, ms]) => [
          String(name),
          Number(ms).toFixed(2),
          (1000 / Number(ms)).toFixed(0),
          (exported.layersMsP50 / Number(ms)).toFixed(2),
        ]),
      )}</div>`
    : ''

const provenance = ({ teacher, student, backend, seed }: RunRecord): string =>
  table(
    ['What', 'Which'],
    [
      ['Teacher', `${teacher.id}, version ${teacher.version}`],
      ...teacher.licences.map(({ id, attribution, url }) => [
        'Licence of the pairs',
        [id, attribution, url].filter(Boolean).join(' - '),
      ]),
      ['Student spec', student.specHash],
      ['Backend', `${backend.name}: ${backend.reason}`],
      ['Seed', String(seed)],
    ],
  )
