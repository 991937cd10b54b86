import { join } from 'node:path'
import { writeFileAtomic } from '@fx/core/node'
import * as tf from '@tensorflow/tfjs-core'
import type { RgbImage } from '../../contract/types.js'
import { encodePng } from '../../image/png.js'
import { toRgbImages } from '../../image/tensor.js'
import { trainingFiles } from '../../training/folder.js'
import { type FeatureStatistics, frechetDistance } from '../../training/frechet.js'
import { imageGrid } from '../../training/grid.js'
import { type ImageSource, spread } from '../../training/image-source.js'
import { imageBatches, statisticsOf } from '../../training/statistics.js'
import { encodeStylegan2 } from '../checkpoints-safetensors.js'
import type { Generator } from '../generator.js'
import { toLabels } from './batch.js'
import type { ResolvedTraining } from './config.js'

/** Looks at the averaged generator: sample grid, Fréchet distance. */
export interface Evaluator {
  /** Writes `grid-<kimg>.png`; the same latents every time. */
  grid(generator: Generator, images: number): Promise<void>
  /** The Fréchet distance to the real images; undefined when the config wants none. */
  frechet(generator: Generator): Promise<number | undefined>
}

export const createEvaluator = (config: ResolvedTraining, source: ImageSource): Evaluator => {
  const { trainer, frechet, grid } = config
  const { resolution, cDim } = trainer.generator
  const { batchSize } = trainer
  let real: FeatureStatistics | undefined

  /** Generated images, a batch at a time, as many as there are indices; each has its image's label. */
  async function* generated(
    generator: Generator,
    name: (n: number) => number | string,
    indices: readonly number[],
    noise: 'const' | 'drawn',
  ): AsyncGenerator<tf.Tensor4D> {
    for (let start = 0; start < indices.length; start += batchSize) {
      const part = indices.slice(start, start + batchSize)
      const labels = cDim > 0 ? toLabels(await source.load(part, resolution), cDim) : undefined
      const seeds = part.map((_, i) => name(start + i))
      const images = tf.tidy(() =>
        generator.generate(generator.latents(seeds), { labels, noise: noise === 'const' ? 'const' : { seeds } }),
      )
      tf.dispose(labels ?? [])
      yield images
    }
  }

  return {
    async grid(generator, shown) {
      const { columns, rows } = grid
      const samples: RgbImage[] = []
      for await (const images of generated(generator, n => n, spread(source, columns * rows), 'const')) {
        samples.push(...(await toRgbImages(images)))
        images.dispose()
      }
      await writeFileAtomic(join(config.out, trainingFiles.grid(shown)), encodePng(imageGrid(samples, columns)))
    },
    async frechet(generator) {
      if (!frechet) return undefined
      const { extractor } = frechet
      const indices = spread(source, frechet.images)
      real ??= await statisticsOf(extractor, imageBatches(source, indices, resolution, batchSize))
      const drawn = generated(generator, n => `frechet ${n}`, indices, 'drawn')
      return frechetDistance(real, await statisticsOf(extractor, drawn))
    },
  }
}

/** Writes the generator as it stands (the averaged weights, when they are in it), as `readStylegan2` reads it. */
export const writeNetwork = async (path: string, generator: Generator): Promise<void> => {
  const { config } = generator
  await writeFileAtomic(path, encodeStylegan2({ generator: { config, weights: await generator.weights() } }))
}
