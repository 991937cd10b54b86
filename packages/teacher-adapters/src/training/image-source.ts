import { FxError, seededRandom } from '@fx/core'
import type { RgbImage } from '../contract/types.js'

/** An image to learn from, with what the network is told of it. */
export interface TrainingImage extends RgbImage {
  /** `cDim` numbers, for instance a one-hot vector: what a StyleGAN2 with labels needs. */
  label?: readonly number[]
  /** What the image shows, in words: what a text-conditioned network needs. */
  caption?: string
}

/** Where training images come from. */
export interface ImageSource {
  /** Changes with the images: a training goes on only over the images it began with. */
  readonly id: string
  /** How many there are; `Infinity` for a generator. */
  readonly count: number
  /**
   * The images of these indices, each `resolution` pixels square and the same every time. A conditional network needs a
   * label with each.
   */
  load(indices: readonly number[], resolution: number): Promise<TrainingImage[]>
  /** Looks through all images before the training starts. @throws FxError naming the first that does not fit. */
  check?(resolution: number): Promise<void>
}

export interface BatchOrder {
  seed: number
  batchSize: number
  resolution: number
  /** Show every second image, by chance, as in a mirror. */
  mirror: boolean
}

const mirrored = (image: TrainingImage): TrainingImage => {
  const { width, height } = image
  const data = new Uint8Array(image.data.length)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * width + width - 1 - x) * 3
      data.set(image.data.subarray(from, from + 3), (y * width + x) * 3)
    }
  }
  return { ...image, data }
}

/**
 * The images of every step: an endless source in the order of its indices, a finite one in another random order each
 * epoch. Depends on nothing but the seed and the step.
 *
 * @throws FxError `invalid-argument` for a source without images.
 */
export const batchesOf = (
  source: ImageSource,
  { seed, batchSize, resolution, mirror }: BatchOrder,
): ((step: number) => Promise<TrainingImage[]>) => {
  const { count } = source
  if (!(count >= 1)) throw new FxError('invalid-argument', `The image source '${source.id}' has no images`)
  const epochs = new Map<number, number[]>()
  const epochOf = (epoch: number): number[] => {
    const known = epochs.get(epoch)
    if (known) return known
    const order = seededRandom(seed, 'order', epoch).shuffled(Array.from({ length: count }, (_, index) => index))
    // A batch spans two epochs at most, unless the source is smaller than a batch.
    if (epochs.size > 2) epochs.clear()
    epochs.set(epoch, order)
    return order
  }
  const indexAt = (position: number): number =>
    count === Number.POSITIVE_INFINITY ? position : epochOf(Math.floor(position / count))[position % count]!

  return async step => {
    const positions = Array.from({ length: batchSize }, (_, image) => step * batchSize + image)
    const images = await source.load(positions.map(indexAt), resolution)
    if (images.length !== batchSize) {
      throw new FxError(
        'shape-mismatch',
        `The image source '${source.id}' gave ${images.length} images for ${batchSize} indices`,
      )
    }
    if (!mirror) return images
    return images.map((image, i) =>
      seededRandom(seed, 'mirror', positions[i]!).uniform() < 0.5 ? mirrored(image) : image,
    )
  }
}

/** Indices spread evenly over a source; the first ones of an endless source, again from the start of a small one. */
export const spread = ({ count }: ImageSource, wanted: number): number[] =>
  Array.from({ length: wanted }, (_, i) => {
    if (count === Number.POSITIVE_INFINITY) return i
    return wanted <= count ? Math.floor((i * count) / wanted) : i % count
  })
