import { FxError, integerIn, numberIn } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { seededNoise } from '../diffusion/noise.js'
import { addNoise } from '../diffusion/prediction.js'
import type { NoiseScale } from '../diffusion/schedule.js'
import { predictGuided } from './guidance.js'
import type { Stage } from './stage.js'

/** Masks `[N, R, R, 1]`: 1 where an image may change, 0 where it must not. */
export type Masks = tf.Tensor4D

/** How the pixels to be changed are found from what two prompts predict. */
export interface PredictedMaskOptions {
  /** How much noise is added to look, as a share of the whole chain. Default 0.5. */
  strength?: number
  /** How often it is looked, each time with other noise. Default 10. */
  maps?: number
  /** A pixel belongs to the mask when the predictions differ by this many times half the mean difference. Default 3. */
  ratio?: number
  /** Pixels by which the mask grows on each side, at the resolution of the first stage. Default 1. */
  grow?: number
}

/** @throws FxError `invalid-argument`. */
export const resolvePredictedMask = (options: PredictedMaskOptions): Required<PredictedMaskOptions> => ({
  strength: numberIn('imagen: mask.strength', options.strength ?? 0.5, 0.01, 1),
  maps: integerIn('imagen: mask.maps', options.maps ?? 10, 1, 1000),
  ratio: numberIn('imagen: mask.ratio', options.ratio ?? 3, 0, 1000),
  grow: integerIn('imagen: mask.grow', options.grow ?? 1, 0, 1024),
})

/** Masks grown by some pixels on each side. The caller owns them. */
const grown = (masks: Masks, pixels: number): Masks =>
  pixels === 0 ? masks.clone() : tf.maxPool(masks, 2 * pixels + 1, 1, 'same')

/** Masks at another side; a pixel that is made of several may change when one of them may. The caller owns them. */
export const resized = (masks: Masks, side: number): Masks => {
  const own = masks.shape[1]
  if (side === own) return masks.clone()
  if (side > own) return tf.image.resizeNearestNeighbor(masks, [side, side])
  if (own % side === 0) return tf.maxPool(masks, own / side, own / side, 'valid')
  return tf.tidy(() => {
    const shares = tf.image.resizeBilinear(grown(masks, Math.ceil(own / side / 2)), [side, side], false, true)
    return tf.cast(tf.greater<Masks>(shares, 0), 'float32')
  })
}

/** `images` where the mask is 1, `kept` elsewhere, bit for bit. The caller owns it. */
export const composite = (masks: Masks, images: tf.Tensor4D, kept: tf.Tensor4D): tf.Tensor4D =>
  tf.tidy(() => tf.where(tf.tile(tf.greater<Masks>(masks, 0.5), [1, 1, 1, images.shape[3]]), images, kept))

/**
 * Puts back, after each step, what must not change: the source under as much noise as the images have by then.
 *
 * Source: Lugmayr et al., "RePaint: inpainting using denoising diffusion probabilistic models", CVPR 2022, equation 8.
 */
export const keeping =
  (masks: Masks, source: tf.Tensor4D, noise: tf.Tensor4D) =>
  (x: tf.Tensor4D, scale: NoiseScale): tf.Tensor4D =>
    composite(masks, x, addNoise(source, noise, scale))

/** Where two versions of images differ by more than `threshold` (0-255) in a channel, grown by a pixel. */
export const changedMasks = (before: tf.Tensor4D, after: tf.Tensor4D, threshold: number): Masks =>
  tf.tidy(() => {
    const difference = tf.max<tf.Tensor4D>(tf.mul(tf.abs(tf.sub(before, after)), 127.5), 3, true)
    return grown(tf.cast(tf.greater(difference, threshold), 'float32') as Masks, 1)
  })

export interface PredictMasksOptions {
  stage: Pick<Stage, 'unet' | 'sampler'>
  /** `[N, R, R, 3]` */
  images: tf.Tensor4D
  /** Embeddings of the prompts before and after, `[N, L, D]`. */
  before: tf.Tensor3D
  after: tf.Tensor3D
  /** Name each image's noise. */
  streams: readonly (readonly (string | number)[])[]
  /** Of the chain's timesteps: how many there are, and their scales. */
  chain: { readonly betas: readonly number[]; scaleAt(t: number): NoiseScale }
  options: Required<PredictedMaskOptions>
  proceed(): void
}

/**
 * Finds the pixels that an edit is about: where a base stage, shown the noisy images, predicts other noise for one prompt
 * than for the other. The caller owns the masks.
 *
 * Source: Couairon et al., "DiffEdit: diffusion-based semantic image editing with mask guidance", ICLR 2023, section 3.2.
 *
 * @throws whatever `proceed` throws.
 */
export const predictMasks = async (request: PredictMasksOptions): Promise<Masks> => {
  const { stage, images, before, after, streams, chain, options, proceed } = request
  const [count, height, width, channels] = images.shape
  const timestep = Math.round(options.strength * (chain.betas.length - 1))
  const once = Array<number>(count).fill(1)
  let sum = tf.zeros<tf.Rank.R4>([count, height, width, 1])
  try {
    for (let map = 0; map < options.maps; map++) {
      proceed()
      const next = tf.tidy(() => {
        const noise = seededNoise(
          streams.map(path => [...path, map]),
          [height, width, channels],
        )
        const x = addNoise(images, noise, chain.scaleAt(timestep))
        const told = (text: tf.Tensor3D) => {
          const answer = predictGuided(stage, x, timestep, [{ text, weights: once, variances: once }])
          return tf.slice(answer, [0, 0, 0, 0], [-1, -1, -1, channels])
        }
        return tf.add<tf.Tensor4D>(sum, tf.mean(tf.abs(tf.sub(told(before), told(after))), 3, true))
      })
      sum.dispose()
      sum = next
      await sum.data()
    }
    return tf.tidy(() => {
      const mean = tf.mean(sum, [1, 2, 3], true)
      const mask = tf.cast(tf.greater(sum, tf.mul(mean, options.ratio / 2)), 'float32') as Masks
      return grown(mask, options.grow)
    })
  } finally {
    sum.dispose()
  }
}

/** @throws FxError `shape-mismatch` unless masks are `[N, side, side, 1]`. */
export const checkMasks = (masks: Masks, count: number, side: number): Masks => {
  const expected = [count, side, side, 1]
  if (masks.rank === 4 && masks.shape.every((size, axis) => size === expected[axis])) return masks
  throw new FxError('shape-mismatch', `imagen: masks must be [${expected.join(', ')}], got [${masks.shape.join(', ')}]`)
}
