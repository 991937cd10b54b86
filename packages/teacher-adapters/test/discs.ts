import { seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import type {
  FeatureExtractor,
  ImageSource,
  Stylegan2TrainingConfig,
  TrainingImage,
} from '../src/stylegan2-training.js'

/** A disc of a random warm colour, place and size before dark blue. The label says whether it lies in the left half. */
const disc = (index: number, resolution: number): TrainingImage => {
  const { uniform } = seededRandom('disc', index)
  const [x, y] = [(0.3 + 0.4 * uniform()) * resolution, (0.3 + 0.4 * uniform()) * resolution]
  const radius = (0.15 + 0.15 * uniform()) * resolution
  const colour = [200 + 55 * uniform(), 80 + 150 * uniform(), 40 * uniform()]
  const data = new Uint8Array(resolution * resolution * 3)
  for (let row = 0; row < resolution; row++) {
    for (let column = 0; column < resolution; column++) {
      const inside = Math.hypot(column + 0.5 - x, row + 0.5 - y) < radius
      data.set(inside ? colour : [16, 24, 96], (row * resolution + column) * 3)
    }
  }
  const left = x < resolution / 2 ? 1 : 0
  return { width: resolution, height: resolution, data, label: [left, 1 - left] }
}

/** Images that a tiny GAN can learn. */
export const discs = (count = Number.POSITIVE_INFINITY): ImageSource => ({
  id: `discs ${count}`,
  count,
  load: async (indices, resolution) => indices.map(index => disc(index, resolution)),
})

/** Few features, quick to compare. */
export const corners: FeatureExtractor = {
  name: 'corners',
  extract: images =>
    tf.tidy(() => {
      const half = images.shape[1] / 2
      return tf.reshape(tf.avgPool(images, half, half, 'valid'), [images.shape[0], 12]) as tf.Tensor2D
    }),
}

/** A training of seconds that uses everything: both penalties, mixing, labels, augmentation, mirrors, epochs. */
export const tinyTraining = (
  out: string,
  backend: 'cpu' | 'wasm',
  change: Partial<Stylegan2TrainingConfig> = {},
): Stylegan2TrainingConfig => {
  const batchSize = backend === 'cpu' ? 2 : 4
  return {
    out,
    backend,
    images: discs(7),
    generator: { resolution: 16, cDim: 2, channelBase: 64, channelMax: 4, zDim: 4, wDim: 4, mappingLayers: 2 },
    discriminator: { mappingLayers: 2 },
    totalImages: 5 * batchSize,
    batchSize,
    r1: { every: 3 },
    pathLength: { every: 2, form: 'finite-difference' },
    augment: { p: 'adaptive', speed: 0.02 },
    mirror: true,
    every: { log: 2 * batchSize, snapshot: 2 * batchSize, evaluation: 4 * batchSize },
    grid: { columns: 2, rows: 1 },
    frechet: { images: 2 * batchSize, extractor: corners },
    ...change,
  }
}
