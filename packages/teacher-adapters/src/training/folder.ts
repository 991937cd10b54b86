import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

/** Names in a training's folder. */
export const trainingFiles = {
  snapshot: 'snapshot.safetensors',
  log: 'log.jsonl',
  frechet: 'frechet.csv',
  record: 'training.json',
  /** `kimg` with three decimals and leading zeros, so that names sort. */
  grid: (images: number) => `grid-${kimg(images)}.png`,
  network: (images: number) => `network-${kimg(images)}.safetensors`,
} as const

const kimg = (images: number): string => (images / 1000).toFixed(3).padStart(9, '0')

/** Removes what an earlier training left, and nothing else. */
export const clearFolder = async (folder: string): Promise<void> => {
  const { snapshot, log, frechet, record } = trainingFiles
  const fixed: string[] = [snapshot, log, frechet, record]
  const names = await readdir(folder).catch(() => [])
  const ours = names.filter(
    name => fixed.includes(name) || /^(grid-[\d.]+\.png|network-[\d.]+\.safetensors)$/.test(name),
  )
  await Promise.all(ours.map(name => rm(join(folder, name), { force: true })))
}
