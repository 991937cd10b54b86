import { join } from 'node:path'
import { writeFileAtomic } from '@fx/core/node'
import * as tf from '@tensorflow/tfjs-core'
import type { RgbImage } from '../../contract/types.js'
import { downscale } from '../../image/downscale.js'
import { encodePng } from '../../image/png.js'
import { toRgbImages, toTensor } from '../../image/tensor.js'
import { trainingFiles } from '../../training/folder.js'
import { type FeatureStatistics, frechetDistance } from '../../training/frechet.js'
import { imageGrid } from '../../training/grid.js'
import { type ImageSource, spread, type TrainingImage } from '../../training/image-source.js'
import { imageBatches, statisticsOf } from '../../training/statistics.js'
import { encodeImagenStage } from '../stage-file.js'
import type { DiffusionUnet } from '../unet/unet.js'
import { toLowResolution } from './batch.js'
import { type CaptionEmbedder, captionsOf } from './captions.js'
import type { ResolvedImagenTraining } from './config.js'
import { schedulerOf, stageSampler } from './sample.js'

/** Looks at the averaged network: sample grid, Fréchet distance. */
export interface Evaluator {
  /** Writes `grid-<kimg>.png`; from the same noise every time. */
  grid(unet: DiffusionUnet, images: number): Promise<void>
  /** The Fréchet distance to the real images; undefined when the config wants none. */
  frechet(unet: DiffusionUnet): Promise<number | undefined>
}

/** What is asked of the network: a prompt, and for super-resolution the image whose low resolution it enlarges. */
interface Asked {
  prompt: string
  image?: TrainingImage
}

export const createEvaluator = (
  config: ResolvedImagenTraining,
  source: ImageSource,
  text: CaptionEmbedder,
): Evaluator => {
  const { trainer, sampling, frechet, grid } = config
  const { stage, batchSize } = trainer
  const { resolution } = stage
  const sample = stageSampler(config)
  let real: FeatureStatistics | undefined

  /** The images of these indices with their captions. */
  const asked = async (indices: readonly number[]): Promise<Asked[]> => {
    const images = await source.load(indices, resolution)
    return captionsOf(images).map((prompt, i) => ({ prompt, image: images[i]! }))
  }

  const sampled = async (
    unet: DiffusionUnet,
    wanted: readonly Asked[],
    seeds: readonly (string | number)[],
    guidance: number,
  ): Promise<tf.Tensor4D> => {
    const words = await text.embed(wanted.map(({ prompt }) => prompt))
    const unconditional = await text.embed(wanted.map(() => ''))
    const low = tf.tidy(() =>
      'lowResolution' in stage
        ? toLowResolution(
            toTensor(
              wanted.map(({ image }) => image!),
              resolution,
            ),
            stage.lowResolution,
          )
        : undefined,
    )
    try {
      return await sample(unet, { text: words, unconditional, guidance, low, seeds })
    } finally {
      tf.dispose([words, unconditional, low ?? []])
    }
  }

  const gridImages = async (unet: DiffusionUnet): Promise<RgbImage[]> => {
    const { rows, columns, prompts } = grid
    const base = !('lowResolution' in stage)
    const wanted = base
      ? (prompts?.map(prompt => ({ prompt })) ?? (await asked(spread(source, rows)))).flatMap(one =>
          Array.from({ length: columns }, (): Asked => one),
        )
      : await asked(spread(source, rows * columns))
    const shown: RgbImage[] = []
    for (let start = 0; start < wanted.length; start += batchSize) {
      const part = wanted.slice(start, start + batchSize)
      const images = await sampled(
        unet,
        part,
        part.map((_, i) => start + i),
        sampling.guidance,
      )
      const made = await toRgbImages(images)
      images.dispose()
      for (const [i, image] of made.entries()) {
        const { image: original } = part[i]!
        shown.push(...(base ? [image] : [asSquares(original!, stage.lowResolution), image, original!]))
      }
    }
    return shown
  }

  async function* drawn(unet: DiffusionUnet, indices: readonly number[]): AsyncGenerator<tf.Tensor4D> {
    for (let start = 0; start < indices.length; start += batchSize) {
      const part = await asked(indices.slice(start, start + batchSize))
      yield await sampled(
        unet,
        part,
        part.map((_, i) => `frechet ${start + i}`),
        1,
      )
    }
  }

  return {
    async grid(unet, shown) {
      const columns = grid.columns * ('lowResolution' in stage ? 3 : 1)
      const picture = encodePng(imageGrid(await gridImages(unet), columns))
      await writeFileAtomic(join(config.out, trainingFiles.grid(shown)), picture)
    },
    async frechet(unet) {
      if (!frechet) return undefined
      const { extractor } = frechet
      const indices = spread(source, frechet.images)
      real ??= await statisticsOf(extractor, imageBatches(source, indices, resolution, batchSize))
      return frechetDistance(real, await statisticsOf(extractor, drawn(unet, indices)))
    },
  }
}

/** An image at a lower resolution, each of its pixels as a square. */
const asSquares = (image: RgbImage, size: number): RgbImage => {
  const { width } = image
  const small = downscale(image, size)
  const data = new Uint8Array(image.data.length)
  for (let i = 0; i < width * width; i++) {
    const [y, x] = [Math.floor(i / width), i % width].map(at => Math.floor((at * size) / width))
    data.set(small.data.subarray((y! * size + x!) * 3).subarray(0, 3), i * 3)
  }
  return { ...image, data }
}

/** Writes the network as it stands (the averaged weights, when they are in it), as `readImagenStage` reads it. */
export const writeNetwork = async (
  path: string,
  unet: DiffusionUnet,
  { trainer }: ResolvedImagenTraining,
  text: string,
): Promise<void> => {
  const stage = { ...trainer.stage, text }
  const scheduler = schedulerOf(trainer)
  await writeFileAtomic(path, encodeImagenStage({ unet: unet.config, weights: await unet.weights(), scheduler, stage }))
}
