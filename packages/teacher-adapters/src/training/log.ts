import { appendFile, readFile } from 'node:fs/promises'
import { writeFailed, writeFileAtomic } from '@fx/core/node'

/** Sums of the steps' figures since the last line of the log; part of a snapshot, so that no step is lost or counted twice. */
export interface Window {
  steps: number
  seconds: number
  sums: Record<string, number>
  counts: Record<string, number>
}

export const emptyWindow = (): Window => ({ steps: 0, seconds: 0, sums: {}, counts: {} })

export const addToWindow = (window: Window, figures: object, seconds: number): void => {
  window.steps++
  window.seconds += seconds
  for (const [name, value] of Object.entries(figures) as [string, number][]) {
    window.sums[name] = (window.sums[name] ?? 0) + value
    window.counts[name] = (window.counts[name] ?? 0) + 1
  }
}

/** Means of the figures, each over the steps that had it. */
export const meansOf = ({ sums, counts }: Window): Record<string, number> =>
  Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum / counts[name]!]))

/** A text file of lines that a resumed training goes on with. */
export interface LineFile {
  /** The last of the lines it was opened with. */
  readonly last: string | undefined
  /** @throws FxError `write-failed`. */
  append(line: string): Promise<void>
}

/**
 * Opens a file of lines and drops those that a snapshot does not know of: what a killed process wrote after it, half a
 * line included.
 *
 * @param imagesOf how many images a line speaks of; undefined for a header.
 */
export const openLines = async (
  path: string,
  upTo: number,
  imagesOf: (line: string) => number | undefined,
  header?: string,
): Promise<LineFile> => {
  const text = await readFile(path, 'utf8').catch(error => {
    if (error.code === 'ENOENT') return ''
    throw writeFailed(path, error)
  })
  // The last piece is empty, or a line whose writing was broken off.
  const whole = text.split('\n').slice(0, -1)
  const kept = whole.filter(line => {
    const images = imagesOf(line)
    return images !== undefined && images <= upTo
  })
  const lines = [...(header === undefined ? [] : [header]), ...kept]
  await writeFileAtomic(path, lines.map(line => `${line}\n`).join(''))
  return {
    last: kept.at(-1),
    append: line =>
      appendFile(path, `${line}\n`).catch(error => {
        throw writeFailed(path, error)
      }),
  }
}

/** `images` of a line of JSON. */
export const imagesOfJson = (line: string): number | undefined => {
  try {
    const { images } = JSON.parse(line) as { images?: unknown }
    return typeof images === 'number' ? images : undefined
  } catch {
    return undefined
  }
}

/** The first number of a line of CSV. */
export const imagesOfCsv = (line: string): number | undefined => {
  const images = Number(line.split(',')[0])
  return Number.isInteger(images) ? images : undefined
}
