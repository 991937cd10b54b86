import * as tf from '@tensorflow/tfjs-core'
import { toTensor } from '../image/tensor.js'
import { collectStatistics, type FeatureExtractor, type FeatureStatistics } from './frechet.js'
import type { ImageSource } from './image-source.js'

/** Statistics of the features of images in [-1, 1] that come in batches; values beyond are cut. Frees every batch. */
export const statisticsOf = async (
  extractor: FeatureExtractor,
  batches: AsyncIterable<tf.Tensor4D>,
): Promise<FeatureStatistics> => {
  const statistics = collectStatistics()
  for await (const images of batches) {
    const cut = tf.tidy(() => tf.clipByValue(images, -1, 1))
    images.dispose()
    try {
      const features = await extractor.extract(cut)
      try {
        statistics.add((await features.data()) as Float32Array, cut.shape[0])
      } finally {
        features.dispose()
      }
    } finally {
      cut.dispose()
    }
  }
  return statistics.finish()
}

/** The images of these indices as batches in [-1, 1]; the caller owns them. */
export async function* imageBatches(
  source: ImageSource,
  indices: readonly number[],
  resolution: number,
  batchSize: number,
): AsyncGenerator<tf.Tensor4D> {
  for (let start = 0; start < indices.length; start += batchSize) {
    yield toTensor(await source.load(indices.slice(start, start + batchSize), resolution), resolution)
  }
}
