import type { FoundCandidate } from './search.js'
import { flatChoice } from './space.js'

const cell = (value: unknown): string => {
  const text = value === undefined ? '' : Array.isArray(value) ? value.join(' ') : String(value)
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/**
 * Everything that was looked at, as CSV, one row each: what it is, what it costs, predicted and measured milliseconds, and
 * its figure after the most steps that it was given.
 */
export const searchCsv = (candidates: readonly FoundCandidate[], best: FoundCandidate): string => {
  const choices = candidates.map(({ choice }) => flatChoice(choice))
  const options = [...new Set(choices.flatMap(Object.keys))]
  const header = [
    'id',
    ...options,
    'mmacs',
    'parameters',
    'predicted_ms',
    'measured_ms',
    'final_ms',
    'steps',
    'figure',
    'best',
  ]
  const rows = candidates.map((candidate, i) => {
    const last = candidate.figures.at(-1)
    return [
      candidate.id,
      ...options.map(name => choices[i]![name]),
      candidate.mmacs.toFixed(2),
      candidate.parameters,
      candidate.predictedMs.toFixed(3),
      candidate.measuredMs?.toFixed(3),
      candidate.finalMs?.toFixed(3),
      last?.step,
      last?.figure.toFixed(5),
      candidate.id === best.id,
    ]
  })
  return `${[header, ...rows].map(row => row.map(cell).join(',')).join('\n')}\n`
}
