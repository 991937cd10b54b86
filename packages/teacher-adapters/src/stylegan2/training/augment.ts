import { FxError, listed, type SeededRandom, seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'

/** What may happen to an image before the discriminator sees it. */
export type AugmentationTransform = 'colour' | 'translation' | 'cutout'

export const augmentationTransforms: readonly AugmentationTransform[] = ['colour', 'translation', 'cutout']

export interface AugmentationDraw {
  policy: readonly AugmentationTransform[]
  /** Probability, per image and transform. */
  p: number
  /** Names the random stream: the same path gives the same augmentation. */
  path: readonly (string | number)[]
}

/** Translations go this far, as a part of the image's side. */
const FURTHEST = 1 / 8
/** Side of the square that is cut out, as a part of the image's side. */
const CUT = 1 / 2

type Transform = (images: tf.Tensor4D, chosen: readonly boolean[], random: readonly SeededRandom[]) => tf.Tensor4D

/**
 * Brightness by up to 0.5, saturation times up to 2, contrast times 0.5 to 1.5. Written as what is added to the image, so
 * that an image that was not chosen stays exactly as it is.
 */
const colour: Transform = (images, chosen, random) => {
  const draw = (from: number, span: number): tf.Tensor4D =>
    tf.tensor4d(
      random.map(({ uniform }, image) => {
        const value = from + span * uniform()
        return chosen[image] ? value : 0
      }),
      [images.shape[0], 1, 1, 1],
    )
  const brightness = draw(-0.5, 1)
  const saturation = draw(-1, 2)
  const contrast = draw(-0.5, 1)
  const bright = tf.add<tf.Tensor4D>(images, brightness)
  const saturated = tf.add<tf.Tensor4D>(bright, tf.mul(saturation, tf.sub(bright, tf.mean(bright, 3, true))))
  return tf.add(saturated, tf.mul(contrast, tf.sub(saturated, tf.mean(saturated, [1, 2, 3], true))))
}

/** `[N, side, side]`: the matrices that move rows by so many places and put zeros in their stead. */
const shifts = (by: readonly number[], side: number): tf.Tensor3D => {
  const values = new Float32Array(by.length * side * side)
  by.forEach((distance, image) => {
    for (let to = Math.max(0, distance); to < Math.min(side, side + distance); to++) {
      values[(image * side + to) * side + to - distance] = 1
    }
  })
  return tf.tensor3d(values, [by.length, side, side])
}

/** Moves whole pixels, with zeros (grey) in the margin. As products with shift matrices: any backend, any order. */
const translation: Transform = (images, chosen, random) => {
  const [count, height, width, channels] = images.shape
  const distances = (side: number): number[] => {
    const most = Math.round(side * FURTHEST)
    return random.map(({ integer }, image) => {
      const distance = integer(2 * most + 1) - most
      return chosen[image] ? distance : 0
    })
  }
  const down = shifts(distances(height), height)
  const across = shifts(distances(width), width)
  const rows = tf.reshape(tf.matMul(down, tf.reshape(images, [count, height, width * channels])), images.shape)
  const turned = tf.reshape(tf.transpose(rows, [0, 2, 1, 3]), [count, width, height * channels])
  return tf.transpose(tf.reshape(tf.matMul(across, turned), [count, width, height, channels]), [0, 2, 1, 3])
}

/** A square of half the side becomes zero (grey); it may reach over the edge. */
const cutout: Transform = (images, chosen, random) => {
  const [count, height, width] = images.shape
  const values = new Float32Array(count * height * width).fill(1)
  random.forEach(({ integer }, image) => {
    const top = integer(height + 1) - Math.round((height * CUT) / 2)
    const left = integer(width + 1) - Math.round((width * CUT) / 2)
    if (!chosen[image]) return
    for (let y = Math.max(0, top); y < Math.min(height, top + Math.round(height * CUT)); y++) {
      const row = (image * height + y) * width
      values.fill(0, row + Math.max(0, left), row + Math.max(0, Math.min(width, left + Math.round(width * CUT))))
    }
  })
  return tf.mul(images, tf.tensor4d(values, [count, height, width, 1]))
}

const transforms: Record<AugmentationTransform, Transform> = { colour, translation, cutout }

/**
 * Augments images `[N, H, W, C]` in about [-1, 1], each on its own. Linear in the images, so that gradients reach the
 * generator and R1 its second order; with `p` 0, or where the coin falls so, an image stays as it is to the bit. The caller
 * owns what is returned.
 *
 * Source: Zhao et al., "Differentiable augmentation for data-efficient GAN training", NeurIPS 2020, section 3.
 *
 * @throws FxError `invalid-argument` for an unknown transform.
 */
export const augmentImages = (images: tf.Tensor4D, { policy, p, path }: AugmentationDraw): tf.Tensor4D =>
  tf.tidy(() => {
    let augmented = images.clone()
    for (const name of policy) {
      const transform = transforms[name]
      if (!transform) {
        throw new FxError(
          'invalid-argument',
          `There is no augmentation '${name}'; choose ${listed(augmentationTransforms)}`,
        )
      }
      const random = Array.from({ length: images.shape[0] }, (_, image) => seededRandom(...path, name, image))
      const chosen = random.map(({ uniform }) => uniform() < p)
      if (chosen.includes(true)) augmented = transform(augmented, chosen, random)
    }
    return augmented
  })

/** The adaptive controller's memory: plain JSON. */
export interface AdaptiveAugmentation {
  /** Probability in use. */
  p: number
  /** Sum and count of the sign statistic since `p` last moved. */
  signs: number
  steps: number
}

export interface AdaptiveOptions {
  /** The sign statistic to keep. */
  target: number
  /** Thousands of images in which p may go from 0 to 1. */
  speed: number
  batchSize: number
}

/** p moves after so many steps. */
const MOVES_EVERY = 4

/**
 * The most that the controller may choose: with rarer untouched images a generator begins to draw the augmentations
 * themselves (the paper's section 2.2).
 */
const MOST_ADAPTIVE = 0.8

/**
 * One step of the adaptive controller: where the discriminator is sure of real images (the mean of their logits' signs is
 * above the target) it has begun to remember them, and p rises; else it falls.
 *
 * Source: Karras et al., "Training generative adversarial networks with limited data", NeurIPS 2020, section 3.
 *
 * @param sign mean sign of the logits of real images in this step.
 */
export const adaptAugmentation = (
  state: AdaptiveAugmentation,
  sign: number,
  { target, speed, batchSize }: AdaptiveOptions,
): AdaptiveAugmentation => {
  const signs = state.signs + sign
  const steps = state.steps + 1
  if (steps < MOVES_EVERY) return { p: state.p, signs, steps }
  const move = (Math.sign(signs / steps - target) * batchSize * steps) / (speed * 1000)
  return { p: Math.min(MOST_ADAPTIVE, Math.max(0, state.p + move)), signs: 0, steps: 0 }
}
