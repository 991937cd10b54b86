import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '@fx/core/node'
import * as tf from '@tensorflow/tfjs-core'
import type { RgbImage } from '../../contract/types.js'
import { encodePng } from '../../image/png.js'
import { toRgbImages, toTensor } from '../../image/tensor.js'
import {
  collectStatistics,
  type FeatureExtractor,
  type FeatureStatistics,
  frechetDistance,
} from '../../training/frechet.js'
import { imageGrid } from '../../training/grid.js'
import { type ImageSource, spread, type TrainingImage } from '../../training/image-source.js'
import { encodeStylegan2 } from '../checkpoints-safetensors.js'
import type { Generator } from '../generator.js'
import { toLabels } from './batch.js'
import type { ResolvedTraining } from './config.js'

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

/** Looks at the averaged generator: sample grid, Fréchet distance. */
export interface Evaluator {
  /** Writes `grid-<kimg>.png`; the same latents every time. */
  grid(generator: Generator, images: number): Promise<void>
  /** The Fréchet distance to the real images; undefined when the config wants none. */
  frechet(generator: Generator): Promise<number | undefined>
}

const featuresOf = async (
  extractor: FeatureExtractor,
  images: tf.Tensor4D,
): Promise<{ values: ArrayLike<number>; rows: number }> => {
  const features = await extractor.extract(images)
  try {
    return { values: (await features.data()) as Float32Array, rows: images.shape[0] }
  } finally {
    features.dispose()
  }
}

export const createEvaluator = (config: ResolvedTraining, source: ImageSource): Evaluator => {
  const { trainer, frechet, grid } = config
  const { resolution, cDim } = trainer.generator
  const batch = trainer.batchSize
  let real: FeatureStatistics | undefined

  const load = (indices: readonly number[]): Promise<TrainingImage[]> => source.load(indices, resolution)

  /** Calls `work` with generated images, a batch at a time, as many as there are indices; each has its image's label. */
  const generated = async (
    generator: Generator,
    name: (n: number) => number | string,
    indices: readonly number[],
    noise: 'const' | 'drawn',
    work: (images: tf.Tensor4D) => Promise<void>,
  ): Promise<void> => {
    for (let start = 0; start < indices.length; start += batch) {
      const part = indices.slice(start, start + batch)
      const labels = cDim > 0 ? toLabels(await load(part), cDim) : undefined
      const seeds = part.map((_, i) => name(start + i))
      const images = tf.tidy(() =>
        generator.generate(generator.latents(seeds), { labels, noise: noise === 'const' ? 'const' : { seeds } }),
      )
      try {
        await work(images)
      } finally {
        tf.dispose([images, labels ?? []])
      }
    }
  }

  const realStatistics = async (
    extractor: FeatureExtractor,
    indices: readonly number[],
  ): Promise<FeatureStatistics> => {
    const statistics = collectStatistics()
    for (let start = 0; start < indices.length; start += batch) {
      const images = toTensor(await load(indices.slice(start, start + batch)), resolution)
      try {
        const { values, rows } = await featuresOf(extractor, images)
        statistics.add(values, rows)
      } finally {
        images.dispose()
      }
    }
    return statistics.finish()
  }

  return {
    async grid(generator, shown) {
      const { columns, rows } = grid
      const samples: RgbImage[] = []
      await generated(
        generator,
        n => n,
        spread(source, columns * rows),
        'const',
        async images => {
          samples.push(...(await toRgbImages(images)))
        },
      )
      await writeFileAtomic(join(config.out, trainingFiles.grid(shown)), encodePng(imageGrid(samples, columns)))
    },
    async frechet(generator) {
      if (!frechet) return undefined
      const { extractor } = frechet
      const indices = spread(source, frechet.images)
      real ??= await realStatistics(extractor, indices)
      const statistics = collectStatistics()
      await generated(
        generator,
        n => `frechet ${n}`,
        indices,
        'drawn',
        async images => {
          const shown = tf.tidy(() => tf.clipByValue(images, -1, 1))
          try {
            const { values, rows } = await featuresOf(extractor, shown)
            statistics.add(values, rows)
          } finally {
            shown.dispose()
          }
        },
      )
      return frechetDistance(real, statistics.finish())
    },
  }
}

/** Writes the generator as it stands (the averaged weights, when they are in it), as `readStylegan2` reads it. */
export const writeNetwork = async (path: string, generator: Generator): Promise<void> => {
  const { config } = generator
  await writeFileAtomic(path, encodeStylegan2({ generator: { config, weights: await generator.weights() } }))
}
