import { FxError, oneOf } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { type SsimOptions, ssim as ssimLoss, structuralSimilarity } from '../ssim.js'
import { checkedInterval, type IntervalOptions, ratioOfSums } from './bootstrap.js'
import { type BatchPart, type Metric, type MetricBatch, type Row, streamingMetric } from './metric.js'

/** Of two equal images PSNR would be infinite, which neither a mean nor JSON can hold; it stops here. */
const MAX_PSNR_DB = 100

/** The values of a tensor that is then freed. */
const taken = async (tensor: tf.Tensor): Promise<ArrayLike<number>> => {
  try {
    return await tensor.data()
  } finally {
    tensor.dispose()
  }
}

/** Per image: the sum of `values` `[N, H, W, 1]` over the mask, and the mask's sum; null where the mask is empty. */
export const maskedSums = async (values: () => tf.Tensor4D, mask?: tf.Tensor4D): Promise<Row[]> => {
  const sums = tf.tidy(() => {
    const map = values()
    const pixels = map.shape[1] * map.shape[2]
    // Row means before the mean of rows: one running float32 sum over a large image loses digits.
    const perImage = (image: tf.Tensor4D) => tf.mul(tf.mean(tf.mean(image, 2), [1, 2]), pixels)
    return tf.stack([perImage(mask ? tf.mul(map, mask) : map), mask ? perImage(mask) : tf.fill([map.shape[0]], pixels)])
  })
  const count = sums.shape[1]!
  const numbers = await taken(sums)
  return Array.from({ length: count }, (_, image) =>
    numbers[count + image] === 0 ? null : [numbers[image]!, numbers[count + image]!],
  )
}

/** The mean of each image alone, so that every image counts once whatever its mask covers. */
const imageMeans = (rows: readonly Row[], finish: (mean: number) => number = mean => mean): Row[] =>
  rows.map(row => row && [finish(row[0]! / row[1]!), 1])

export interface PsnrOptions extends IntervalOptions {
  /**
   * `images`: the mean of each image's PSNR, the convention of papers on restoration. `pixels`: the PSNR of the mean
   * squared error of all pixels, in which a bad image weighs more. Default `images`.
   */
  over?: 'images' | 'pixels'
}

/**
 * Peak signal-to-noise ratio of output and target, dB: `10 log10(1 / MSE)`; at most 100, for equal images. Honours the
 * mask.
 *
 * @throws FxError `invalid-argument` for options out of range.
 */
export const psnr = (options: PsnrOptions = {}): Metric => {
  const interval = checkedInterval('psnr', options)
  const over = oneOf('psnr: over', options.over ?? 'images', ['images', 'pixels'])
  const decibels = (meanSquaredError: number) => Math.min(MAX_PSNR_DB, -10 * Math.log10(meanSquaredError))
  return streamingMetric({
    name: over === 'images' ? 'psnr' : 'psnr (over pixels)',
    ideal: Number.POSITIVE_INFINITY,
    needs: ['target'],
    async measure({ output, target, mask }) {
      const rows = await maskedSums(() => tf.mean(tf.squaredDifference(output, target!), 3, true), mask)
      return over === 'images' ? imageMeans(rows, decibels) : rows
    },
    accumulator: slice => ratioOfSums(interval, slice, over === 'images' ? undefined : decibels),
  })
}

/**
 * Mean structural similarity of output and target, in [-1, 1]; see `structuralSimilarity`. With a mask, a window counts
 * with its centre pixel.
 *
 * @throws FxError `invalid-argument` for options out of range; from `add`, `shape-mismatch` also for images smaller than
 * the window.
 */
export const ssim = (options: Omit<SsimOptions, 'dataRange'> & IntervalOptions = {}): Metric => {
  const loss = ssimLoss(options)
  const border = ((options.windowSize ?? 11) - 1) / 2
  const ofRegion = (output: tf.Tensor4D, target: tf.Tensor4D, mask: tf.Tensor4D): Promise<Row[]> =>
    Promise.all(
      Array.from({ length: output.shape[0] }, async (_, image) => {
        const figures = tf.tidy(() => {
          const part = (all: tf.Tensor4D) => tf.slice(all, [image, 0, 0, 0], [1, -1, -1, -1])
          const weights = part(mask)
          const value = tf.sub(1, loss(part(output), part(target), { weights }))
          const [, height, width] = weights.shape
          const centres = tf.slice(weights, [0, border, border, 0], [1, height - 2 * border, width - 2 * border, 1])
          return tf.stack([value, tf.sum(centres)])
        })
        const [value, centres] = Array.from(await taken(figures))
        return centres! > 0 ? [value!, 1] : null
      }),
    )
  return imageMetric('ssim', 1, ['target'], options, async ({ output, target, mask }) => {
    if (mask) return ofRegion(output, target!, mask)
    return Array.from(await taken(structuralSimilarity(output, target!, options)), value => [value, 1])
  })
}

/** A metric that is the mean of one number an image. */
export const imageMetric = (
  name: string,
  ideal: number,
  needs: readonly BatchPart[],
  options: IntervalOptions,
  measure: (batch: MetricBatch) => Promise<readonly Row[]>,
): Metric => {
  const interval = checkedInterval(name, options)
  return streamingMetric({ name, ideal, needs, measure, accumulator: slice => ratioOfSums(interval, slice) })
}

export interface PerImageOptions<P extends BatchPart = 'target'> extends IntervalOptions {
  /** The value of a perfect student: 0 for a distance, 1 for a similarity. */
  ideal: number
  /** Which parts of a batch `measure` needs; a batch that lacks one is refused. Default `['target']`. */
  needs?: readonly P[]
}

/** A batch that surely has some parts. */
export type BatchWith<P extends BatchPart> = MetricBatch & Required<Pick<MetricBatch, P>>

/**
 * Any figure of one image as a metric: the mean over images. `measure` returns one number for each image, `[N]`, which is
 * freed here: `perImage('lpips', ({ output, target }) => distance(output, target), { ideal: 0 })`.
 *
 * @throws FxError `invalid-argument` for an empty name or options out of range; from `add`, `shape-mismatch` when
 * `measure` does not return one number an image.
 */
export const perImage = <P extends BatchPart = 'target'>(
  name: string,
  measure: (batch: BatchWith<P>) => tf.Tensor | Promise<tf.Tensor>,
  options: PerImageOptions<P>,
): Metric => {
  if (!name) throw new FxError('invalid-argument', 'perImage: the metric needs a name')
  if (Number.isNaN(options.ideal)) throw new FxError('invalid-argument', `perImage: ideal of '${name}' is not a number`)
  return imageMetric(name, options.ideal, options.needs ?? ['target'], options, async batch => {
    const values = await measure(batch as BatchWith<P>)
    const { shape } = values
    const numbers = await taken(values)
    const count = batch.output.shape[0]
    if (shape.length !== 1 || shape[0] !== count) {
      throw new FxError(
        'shape-mismatch',
        `${name}: ${count} numbers were expected, got the shape [${shape.join(', ')}]`,
      )
    }
    return Array.from(numbers, value => [value, 1])
  })
}
