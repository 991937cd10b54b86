import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FxError } from '@fx/core'
import { writeFileAtomic } from '@fx/core/node'
import { decodePng, encodePng } from '@fx/teacher-adapters'
import { type RunRecord, readRecord, runFiles, type ShownSample } from '../run/record.js'
import { chartsHtml } from './charts.js'
import { dataUri, details, duration, escapeHtml, json, table, thousands } from './html.js'
import { style } from './style.js'
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

const page = async (record: RunRecord, folder: string): Promise<string> => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>${escapeHtml(record.name)} - distillation report</title>
<style>${style}</style>
</head>
<body>
<p class="soft">Distillation report, ${escapeHtml(record.finished.slice(0, 16).replace('T', ' '))} UTC</p>
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
${details('Seconds by part of the last session', json(record.seconds))}
</body>
</html>
`

const summary = ({ student, effect, pairs, teacher, size, training, backend, seconds }: RunRecord): string =>
  `<p>A student of ${thousands(student.parameters)} parameters learned the effect <b>${escapeHtml(effect.id)}</b> from
${thousands(pairs.train)} pairs of ${size}x${size} pixels by the teacher <b>${escapeHtml(teacher.id)}</b>
(version ${escapeHtml(teacher.version)}): ${thousands(Number(training.steps))} steps of ${escapeHtml(training.batchSize)} pairs on
${escapeHtml(backend.name)}, ${duration(seconds.total)} in all. It is judged on ${thousands(pairs.heldOut)} pairs that it
never saw${pairs.duplicates > 0 ? `, ${pairs.duplicates} of which have an input that equals one of training` : ''}.</p>`

const figure = (value: string, label: string, note: string, met: boolean): string =>
  `<div class="figure"><b class="${met ? 'met' : 'missed'}">${escapeHtml(value)}</b>${escapeHtml(label)}` +
  `<small>${met ? '&#10003;' : '&#10007;'} ${escapeHtml(note)}</small></div>`

const keyFigures = ({ evaluation, export: exported }: RunRecord): string => {
  const { studentMae, doNothingMae } = evaluation.changedRegion
  const ratio = studentMae / doNothingMae
  const { psnrDb } = evaluation.keptRegion
  return `<div class="figures">${[
    figure(
      `${(ratio * 100).toFixed(0)} %`,
      'of the error of doing nothing, where the effect acts',
      `target: at most ${targets.changedRatio * 100} %`,
      ratio <= targets.changedRatio,
    ),
    figure(
      `${psnrDb.toFixed(1)} dB`,
      'how well the rest is kept (PSNR)',
      `target: at least ${targets.keptPsnrDb} dB`,
      psnrDb >= targets.keptPsnrDb,
    ),
    ...(exported
      ? [
          figure(
            exported.maxAbsDiff.toExponential(1),
            'largest difference of the exported model',
            `target: at most ${targets.exportDifference.toExponential(0)}`,
            exported.maxAbsDiff <= targets.exportDifference,
          ),
        ]
      : []),
  ].join('')}</div>`
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
  const heads = ['Input', truth, 'Student', 'Difference'].map(head => `<span>${head}</span>`).join('')
  const rows: string[] = []
  for (const sample of record.samples) rows.push(await sampleHtml(sample, record, folder))
  // One row of headings for each column; on a narrow screen there is one column, and the second is hidden.
  const heading = `<div class="row heads">${heads}</div>`
  return `<div class="samples">${heading}${heading}${rows.join('')}</div>`
}

const sampleHtml = async (sample: ShownSample, record: Judged, folder: string): Promise<string> => {
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
  const pictures = (
    [
      ['input', input!.png],
      ['teacher', teacher!.png],
      ['student', student!.png],
      ['difference', difference],
    ] as const
  ).map(
    ([role, png]) =>
      `<img alt="${role} of seed ${sample.seed}" width="${width}" height="${height}" src="${dataUri(png)}">`,
  )
  const figures = record.evaluation.samples.find(({ seed }) => seed === sample.seed)
  const ratio =
    figures?.studentMae != null && figures.doNothingMae ? figures.studentMae / figures.doNothingMae : undefined
  const words = [
    `seed ${sample.seed}`,
    sample.label,
    ...(ratio === undefined ? [] : [`error ${(ratio * 100).toFixed(0)} % of doing nothing`]),
    ...(figures?.keptPsnrDb == null ? [] : [`rest ${figures.keptPsnrDb.toFixed(1)} dB`]),
  ]
  return `<figure class="sample"><div class="row">${pictures.join('')}</div><figcaption>${escapeHtml(words.join(' · '))}</figcaption></figure>`
}

const figuresTable = ({ evaluation, pairs }: Pick<RunRecord, 'evaluation' | 'pairs'>): string => {
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
    ],
  )
}

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
