import { seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import type { ImagenTrainingConfig, ImageSource, TextEncoder, TrainingImage } from '../src/imagen-training.js'
import { corners } from './discs.js'

const colours = { red: [230, 40, 40], green: [40, 200, 60], blue: [40, 70, 230] } as const
type Colour = keyof typeof colours

/** A disc of a random place and size before grey, and its caption. */
const disc = (index: number, resolution: number): TrainingImage => {
  const { uniform, integer } = seededRandom('captioned disc', index)
  const colour = (Object.keys(colours) as Colour[])[integer(3)]!
  const [x, y] = [(0.4 + 0.2 * uniform()) * resolution, (0.4 + 0.2 * uniform()) * resolution]
  const radius = (0.25 + 0.1 * uniform()) * resolution
  const data = new Uint8Array(resolution * resolution * 3)
  for (let row = 0; row < resolution; row++) {
    for (let column = 0; column < resolution; column++) {
      const inside = Math.hypot(column + 0.5 - x, row + 0.5 - y) < radius
      data.set(inside ? colours[colour] : [100, 100, 100], (row * resolution + column) * 3)
    }
  }
  return { width: resolution, height: resolution, data, caption: `a ${colour} disc` }
}

/** Images that a tiny diffusion model can learn, with captions that tell their colour. */
export const captionedDiscs = (count = Number.POSITIVE_INFINITY): ImageSource => ({
  id: `captioned discs ${count}`,
  count,
  load: async (indices, resolution) => indices.map(index => disc(index, resolution)),
})

/** Gives each word a random vector of 8 numbers and each prompt the place of four words. */
export const wordEncoder = (id = 'words'): TextEncoder & { encoded: string[][] } => {
  const encoded: string[][] = []
  return {
    id,
    encoded,
    encode: async prompts => {
      encoded.push([...prompts])
      const vectors = prompts.flatMap(prompt =>
        Array.from({ length: 4 }, (_, place) => {
          const { normal } = seededRandom('word', prompt.split(' ')[place] ?? '')
          return Array.from({ length: 8 }, normal)
        }),
      )
      return tf.tensor3d(Float32Array.from(vectors.flat()), [prompts.length, 4, 8])
    },
    dispose: () => {},
  }
}

export const tinyUnet: ImagenTrainingConfig['unet'] = {
  blockOutChannels: [8, 8],
  normNumGroups: 2,
  attentionHeadDim: 8,
  encoderHidDim: 8,
  crossAttentionDim: 32,
  additionEmbedTypeNumHeads: 2,
}

/** A training of seconds that uses everything: dropout, warm-up, decay, mirrors, epochs. */
export const tinyImagenTraining = (
  out: string,
  backend: 'cpu' | 'wasm',
  change: Partial<ImagenTrainingConfig> = {},
): ImagenTrainingConfig => {
  const batchSize = backend === 'cpu' ? 2 : 4
  return {
    out,
    backend,
    images: captionedDiscs(7),
    text: wordEncoder(),
    stage: { resolution: 8 },
    unet: tinyUnet,
    totalImages: 5 * batchSize,
    batchSize,
    captionDropout: 0.3,
    warmUp: 2 * batchSize,
    decay: 'cosine',
    mirror: true,
    every: { log: 2 * batchSize, snapshot: 2 * batchSize, evaluation: 4 * batchSize },
    sampling: { steps: 2 },
    grid: { rows: 1, columns: 2 },
    frechet: { images: 2 * batchSize, extractor: corners },
    ...change,
  }
}

/** The same for a super-resolution stage. */
export const tinyEnlarging = { stage: { resolution: 16, lowResolution: 8, noiseLevel: { min: 10, max: 500 } } } as const
