import { cpus } from 'node:os'
import type { Contender, Scenario } from './scenario.js'
import type { Summary } from './statistics.js'

export type Row = Summary & { contender: Contender }

type Cell = string | number | boolean

const quoted = (cell: Cell): string => (String(cell).includes(',') ? `"${cell}"` : String(cell))

/** Columns of equal width, the first to the left, the others to the right. */
export const tableOf = (header: readonly string[], rows: readonly (readonly string[])[]): string => {
  const cells = [header, ...rows]
  const widths = header.map((_, column) => Math.max(...cells.map(row => row[column]!.length)))
  return cells
    .map(row => `  ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ')}`)
    .join('\n')
}

export const csvOf = (header: string, rows: readonly (readonly Cell[])[]): string =>
  `${[header, ...rows.map(row => row.map(quoted).join(','))].join('\n')}\n`

/** The last two columns of every CSV: the version of Node, and the processor. */
export const machine = (): [node: string, cpu: string] => [
  process.version,
  `${cpus().length} x ${(cpus()[0]?.model ?? 'unknown').trim().replaceAll(',', ' ')}`,
]

/** How many runs were kept of those done, for a table. */
export const keptOf = ({ kept, runs, noisy }: Summary): string => `${kept}/${runs}${noisy ? ' (noisy)' : ''}`

/** The columns p50_ms, p95_ms, min_ms, kept, runs, noisy of every CSV. */
export const timingCells = ({ p50, p95, min, kept, runs, noisy }: Summary): Cell[] => [
  p50.toFixed(2),
  p95.toFixed(2),
  min.toFixed(2),
  kept,
  runs,
  noisy,
]

/** How many times faster than the baseline of the same run. */
const speedUp = (scenario: Scenario, rows: readonly Row[], row: Row): number =>
  (rows.find(r => r.contender.name === scenario.baseline)?.p50 ?? Number.NaN) / row.p50

export const table = (scenario: Scenario, rows: readonly Row[]): string =>
  tableOf(
    ['', 'p50 ms', 'p95 ms', 'kept', `times ${scenario.baseline}`],
    rows.map(row => [
      row.contender.name,
      row.p50.toFixed(1),
      row.p95.toFixed(1),
      keptOf(row),
      speedUp(scenario, rows, row).toFixed(2),
    ]),
  )

export const csv = (scenario: Scenario, rows: readonly Row[]): string =>
  csvOf(
    'scenario,width,size,batch,contender,backend,threads,p50_ms,p95_ms,min_ms,kept,runs,noisy,speed_up,node,cpu',
    rows.map(row => [
      scenario.name,
      scenario.width,
      scenario.size,
      scenario.batch,
      row.contender.name,
      row.contender.backend,
      row.contender.threads || 'default',
      ...timingCells(row),
      speedUp(scenario, rows, row).toFixed(2),
      ...machine(),
    ]),
  )
