import type * as tf from '@tensorflow/tfjs-core'
import { checkedInterval, type IntervalOptions, ratioOfSums } from './bootstrap.js'
import { cosine, type Embedder, featureReader } from './features.js'
import { dot } from './matrix.js'
import { type Metric, type MetricBatch, type Row, streamingMetric } from './metric.js'
import { imageMetric } from './pixel.js'

export interface EffectOptions extends IntervalOptions {
  /** What a change is measured in. Default: the pixels themselves, of which the mask says how much each counts. */
  embedder?: Embedder
}

interface Change {
  /** From the input to the output, as one vector. */
  ours: Float64Array
  /** From the input to the target. */
  theirs: Float64Array
}

const minus = (a: ArrayLike<number>, b: ArrayLike<number>, scale: (i: number) => number = () => 1): Float64Array =>
  Float64Array.from(a, (value, i) => (value - b[i]!) * scale(i))

/** The changes of each image whose target changes anything; null for the others. */
const changeReader = (name: string, embedder?: Embedder) => {
  const vectors = embedder ? featureReader(name, embedder) : pixelVectors
  return async ({ output, input, target, mask }: MetricBatch): Promise<(Change | null)[]> => {
    const [after, before, wanted] = [await vectors(output), await vectors(input!), await vectors(target!)]
    const weights = !embedder && mask ? await pixelVectors(mask) : undefined
    const channels = output.shape[3]
    return after.map((values, image) => {
      // A root on both sides of a product gives each pixel its weight once.
      const scale = weights && ((i: number) => Math.sqrt(weights[image]![Math.floor(i / channels)]!))
      const theirs = minus(wanted[image]!, before[image]!, scale)
      return dot(theirs, theirs) > 0 ? { ours: minus(values, before[image]!, scale), theirs } : null
    })
  }
}

const pixelVectors = async (images: tf.Tensor4D): Promise<Float32Array[]> => {
  const values = (await images.data()) as Float32Array
  const size = values.length / images.shape[0]
  return Array.from({ length: images.shape[0] }, (_, image) => values.subarray(image * size, (image + 1) * size))
}

/**
 * How much of the teacher's effect the student applies: the change from input to output, projected on the change from
 * input to target, over all images. 1 for the full effect, 0 for doing nothing, above 1 for too much, below 0 for the
 * opposite. Images that the target leaves alone do not count.
 *
 * It is the least-squares factor s in `output - input = s (target - input)`.
 *
 * @throws FxError `invalid-argument` for options out of range; from `add`, `shape-mismatch` when the embedder does not
 * give one vector an image, always of one length.
 */
export const effectStrength = (options: EffectOptions = {}): Metric => {
  const name = `effect strength (${options.embedder?.name ?? 'pixels'})`
  const interval = checkedInterval(name, options)
  const changes = changeReader(name, options.embedder)
  return streamingMetric({
    name,
    ideal: 1,
    needs: ['input', 'target'],
    measure: async batch =>
      (await changes(batch)).map(
        (change): Row => change && [dot(change.ours, change.theirs), dot(change.theirs, change.theirs)],
      ),
    accumulator: slice => ratioOfSums(interval, slice),
  })
}

/**
 * Directional similarity: whether the student changes what the teacher changes, however strongly. The mean cosine of the
 * change from input to output and the change from input to target, in [-1, 1], 1 for the same direction, 0 for an output
 * that changes nothing. Images that the target leaves alone do not count.
 *
 * Source: Gal et al., "StyleGAN-NADA", SIGGRAPH 2022, equation 3, with images in place of the text.
 *
 * @throws FxError as `effectStrength`.
 */
export const effectDirection = (options: EffectOptions = {}): Metric => {
  const name = `effect direction (${options.embedder?.name ?? 'pixels'})`
  const changes = changeReader(name, options.embedder)
  return imageMetric(name, 1, ['input', 'target'], options, async batch =>
    (await changes(batch)).map((change): Row => change && [cosine(change.ours, change.theirs), 1]),
  )
}
