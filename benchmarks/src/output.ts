import { cpus } from 'node:os'
import type { Contender, Scenario } from './scenario.js'
import type { Summary } from './statistics.js'

export type Row = Summary & { contender: Contender }

/** How many times faster than the baseline of the same run. */
const speedUp = (scenario: Scenario, rows: readonly Row[], row: Row): number =>
  (rows.find(r => r.contender.name === scenario.baseline)?.p50 ?? Number.NaN) / row.p50

export const table = (scenario: Scenario, rows: readonly Row[]): string => {
  const cells = [
    ['', 'p50 ms', 'p95 ms', 'kept', `times ${scenario.baseline}`],
    ...rows.map(row => [
      row.contender.name,
      row.p50.toFixed(1),
      row.p95.toFixed(1),
      `${row.kept}/${row.runs}${row.noisy ? ' (noisy)' : ''}`,
      speedUp(scenario, rows, row).toFixed(2),
    ]),
  ]
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map(row => row[column]!.length)))
  return cells
    .map(row => `  ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ')}`)
    .join('\n')
}

export const csv = (scenario: Scenario, rows: readonly Row[]): string => {
  const header =
    'scenario,width,size,batch,contender,backend,threads,p50_ms,p95_ms,min_ms,kept,runs,noisy,speed_up,node,cpu'
  const cpu = (cpus()[0]?.model ?? 'unknown').trim().replaceAll(',', ' ')
  const lines = rows.map(row =>
    [
      scenario.name,
      scenario.width,
      scenario.size,
      scenario.batch,
      row.contender.name,
      row.contender.backend,
      row.contender.threads || 'default',
      row.p50.toFixed(2),
      row.p95.toFixed(2),
      row.min.toFixed(2),
      row.kept,
      row.runs,
      row.noisy,
      speedUp(scenario, rows, row).toFixed(2),
      process.version,
      `${cpus().length} x ${cpu}`,
    ].join(','),
  )
  return `${[header, ...lines].join('\n')}\n`
}
