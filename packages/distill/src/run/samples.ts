import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '@fx/core/node'
import { encodePng } from '@fx/teacher-adapters'
import type { EventLog } from '../logs/event-log.js'
import type { LoggedImage } from '../logs/tfrecord.js'
import { type EvaluateOptions, predictions, type SampleFigures } from '../training/evaluate.js'
import { runFiles, type ShownSample } from './record.js'

const FIRST = 8

/**
 * Which held-out pairs are shown: the first by seed, then the best, the middle and the worst by the student's error
 * relative to doing nothing. A fixed rule, so that nobody picks the pretty ones.
 */
const chooseSamples = (samples: readonly SampleFigures[]): { seed: number; label: string }[] => {
  const ratio = (sample: SampleFigures): number => sample.studentMae! / sample.doNothingMae!
  const ranked = samples
    .filter(({ studentMae, doNothingMae }) => studentMae !== null && doNothingMae)
    .sort((a, b) => ratio(a) - ratio(b))
  const chosen = samples.slice(0, FIRST).map(({ seed }, index) => ({ seed, label: `held-out pair ${index + 1}` }))
  const extremes = [
    { sample: ranked[0], label: 'best of all' },
    { sample: ranked[Math.floor(ranked.length / 2)], label: 'median' },
    { sample: ranked.at(-1), label: 'worst of all' },
  ]
  for (const { sample, label } of extremes) {
    if (!sample) continue
    const shown = chosen.find(({ seed }) => seed === sample.seed)
    if (shown) shown.label += `, ${label}`
    else chosen.push({ seed: sample.seed, label })
  }
  return chosen
}

const toBytes = (values: Float32Array): Uint8Array => Uint8Array.from(values, value => Math.round(value * 255))

/** Writes the shown pairs as PNG files into a folder, and an `index.json` that lists them. */
export const writeSamples = async (
  target: string,
  figures: readonly SampleFigures[],
  options: Omit<EvaluateOptions, 'seeds'>,
): Promise<ShownSample[]> => {
  const { size } = options.pairs
  const chosen = chooseSamples(figures)
  await rm(target, { recursive: true, force: true })
  const shown: ShownSample[] = []
  for await (const { seed, pixels, output } of predictions({ ...options, seeds: chosen.map(({ seed }) => seed) })) {
    const name = (role: string): string => `${String(seed).padStart(6, '0')}.${role}.png`
    const write = async (role: string, data: Uint8Array): Promise<string> => {
      await writeFileAtomic(join(target, name(role)), encodePng({ width: size, height: size, data }))
      return name(role)
    }
    shown.push({
      seed,
      label: chosen[shown.length]!.label,
      input: await write('input', pixels.input),
      teacher: await write('teacher', pixels.target),
      student: await write('student', toBytes(output)),
    })
  }
  await writeFileAtomic(join(target, 'index.json'), JSON.stringify(shown, null, 2))
  return shown
}

/** Puts the shown pairs into the TensorBoard log. */
export const logSamples = async (
  log: EventLog,
  step: number,
  folder: string,
  shown: readonly ShownSample[],
  size: number,
): Promise<void> => {
  const images: Record<string, LoggedImage> = {}
  for (const sample of shown) {
    for (const role of ['input', 'teacher', 'student'] as const) {
      const png = await readFile(join(folder, runFiles.samples, sample[role]))
      images[`seed_${sample.seed}/${role}`] = { width: size, height: size, png }
    }
  }
  await log.images(step, images)
}
