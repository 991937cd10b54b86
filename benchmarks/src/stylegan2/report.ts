import type { Running } from '../contender-process.js'
import { csvOf, keptOf, machine, tableOf, timingCells } from '../output.js'
import { medianRatio, type Sample, type Summary, summarise } from '../statistics.js'
import type { GanContender } from './scenario.js'

/** One task of one contender. */
interface Row extends Summary {
  contender: GanContender
  task: string
  batch: number
  /** Its time over that of the convolutions alone, the median over the rounds; NaN where there are none to compare. */
  overConvolutions: number
  peakTensorBytes: number | undefined
  peakRssBytes: number | undefined
  megaMacs: number | undefined
}

const megabytes = (bytes: number | undefined): string => (bytes === undefined ? '' : (bytes / 1e6).toFixed(0))
const fixed = (value: number, digits: number): string => (Number.isFinite(value) ? value.toFixed(digits) : '')

const rowsOf = ({ contender, process, samples }: Running<GanContender>): Row[] =>
  process.ready.tasks.map(({ name, peakTensorBytes }) => {
    const taken = samples.get(name)!
    const [, task, given] = /^(.*?)(?: (\d+))?$/.exec(name)!
    const convolutions: Sample[] | undefined = samples.get(`convolutions ${given}`)
    return {
      ...summarise(taken),
      contender,
      task: task!,
      batch: given ? Number(given) : contender.batches[0]!,
      overConvolutions: convolutions ? medianRatio(taken, convolutions) : Number.NaN,
      peakTensorBytes,
      peakRssBytes: process.ready.facts.peakRssBytes,
      megaMacs: process.ready.facts.megaMacs,
    }
  })

export const generationReport = (running: readonly Running<GanContender>[]) => {
  const rows = running.flatMap(rowsOf)
  const table = tableOf(
    ['', 'batch', 'ms', 'images/s', 'over convolutions', 'tensors MB', 'process MB', 'kept'],
    rows.map(row => [
      `${row.contender.name}, ${row.task}`,
      `${row.batch}`,
      row.p50.toFixed(1),
      ((1000 * row.batch) / row.p50).toFixed(2),
      fixed(row.overConvolutions, 2),
      megabytes(row.peakTensorBytes),
      megabytes(row.peakRssBytes),
      keptOf(row),
    ]),
  )
  const header =
    'scenario,backend,threads,resolution,channel_base,channel_max,mmac,task,batch,p50_ms,p95_ms,min_ms,kept,runs,noisy,' +
    'images_per_s,over_convolutions,peak_tensor_mb,peak_process_mb,node,cpu'
  const lines = rows.map(row => {
    const { backend, threads, shape } = row.contender
    return [
      'stylegan2-generation',
      backend,
      threads || 'default',
      shape.resolution,
      shape.channelBase,
      shape.channelMax,
      row.megaMacs?.toFixed(0) ?? '',
      row.task,
      row.batch,
      ...timingCells(row),
      ((1000 * row.batch) / row.p50).toFixed(3),
      fixed(row.overConvolutions, 3),
      megabytes(row.peakTensorBytes),
      row.task === 'convolutions' ? '' : megabytes(row.peakRssBytes),
      ...machine(),
    ]
  })
  return { table, csv: csvOf(header, lines) }
}

export const trainingReport = (running: readonly Running<GanContender>[]) => {
  const rows = running.flatMap(rowsOf)
  const table = tableOf(
    ['', 'batch', 'ms', 'tensors MB', 'process MB', 'kept'],
    rows.map(row => [
      `${row.contender.name}, ${row.task}`,
      `${row.batch}`,
      row.p50.toFixed(0),
      megabytes(row.peakTensorBytes),
      megabytes(row.peakRssBytes),
      keptOf(row),
    ]),
  )
  const header =
    'scenario,backend,threads,resolution,channel_base,channel_max,batch,task,p50_ms,p95_ms,min_ms,kept,runs,noisy,' +
    'peak_tensor_mb,peak_process_mb,node,cpu'
  const lines = rows.map(row => {
    const { backend, threads, shape } = row.contender
    return [
      'stylegan2-training',
      backend,
      threads || 'default',
      shape.resolution,
      shape.channelBase,
      shape.channelMax,
      row.batch,
      row.task,
      ...timingCells(row),
      megabytes(row.peakTensorBytes),
      megabytes(row.peakRssBytes),
      ...machine(),
    ]
  })
  return { table, csv: csvOf(header, lines) }
}
