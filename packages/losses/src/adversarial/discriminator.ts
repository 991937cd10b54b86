import { FxError, seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import type { Trainable } from '../trainable.js'

/** A network that tells targets from answers, place by place. What a loss makes of its logits is the loss's affair. */
export interface Discriminator extends Trainable {
  /** The least height and width of the images that it takes, pixels. */
  readonly smallestSide: number
  /**
   * Images `[N, H, W, C]` in [0, 1], for each scale from fine to coarse, to its maps `[N, h, w, c]`: the features of each
   * layer, and the logits `[N, h, w, 1]` last; more means rather a target. `input` is what the student was shown, of the
   * images' height and width, for a conditional discriminator; others ignore it. Differentiable in the images and the
   * variables. The caller owns the maps.
   *
   * @throws FxError `shape-mismatch` for images or an input that it does not take, `invalid-argument` when a conditional
   * one gets no input.
   */
  features(images: tf.Tensor4D, input?: tf.Tensor4D): tf.Tensor4D[][]
}

/** A parameter and the normal distribution that it is drawn from. */
export interface ParameterSpec {
  name: string
  shape: number[]
  mean: number
  deviation: number
}

/** Variables that are drawn when first asked for. The same seed draws the same. */
export const drawnVariables = (specs: readonly ParameterSpec[], seed: number | string): Trainable => {
  let drawn: Record<string, tf.Variable> | undefined
  const draw = ({ name, shape, mean, deviation }: ParameterSpec): tf.Variable => {
    const { normal } = seededRandom(seed, 'discriminator', name)
    const values = Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => mean + deviation * normal())
    return tf.variable(tf.tensor(values, shape))
  }
  return {
    variables: () => {
      drawn ??= tf.tidy(() => Object.fromEntries(specs.map(spec => [spec.name, draw(spec)])))
      return drawn
    },
    dispose: () => {
      tf.dispose(drawn ?? [])
      drawn = undefined
    },
  }
}

/** The images behind what the student was shown, where the discriminator judges both; checked. */
export const judged = (
  name: string,
  { channels, inputChannels, smallestSide }: { channels: number; inputChannels: number; smallestSide: number },
  images: tf.Tensor4D,
  input: tf.Tensor4D | undefined,
): tf.Tensor4D => {
  const refuse = (message: string): never => {
    throw new FxError('shape-mismatch', `${name}: ${message}`, {
      details: { images: images.shape, input: input?.shape, channels, inputChannels, smallestSide },
    })
  }
  const text = (tensor: tf.Tensor): string => `[${tensor.shape.join(', ')}]`
  if (images.rank !== 4 || images.shape[3] !== channels) {
    refuse(`images must be [N, H, W, ${channels}], got ${text(images)}`)
  }
  const [n, height, width] = images.shape
  if (height < smallestSide || width < smallestSide) {
    refuse(`images must be at least ${smallestSide} pixels on each side, got ${height}x${width}`)
  }
  if (inputChannels === 0) return images
  if (!input) {
    throw new FxError(
      'invalid-argument',
      `${name}: inputChannels is ${inputChannels}, so it judges answers together with what the student was shown; pass that as the option input`,
    )
  }
  if ([n, height, width, inputChannels].some((size, axis) => size !== input.shape[axis])) {
    refuse(`the input must be [${n}, ${height}, ${width}, ${inputChannels}], got ${text(input)}`)
  }
  return tf.concat([input, images], 3)
}

/** The logits of each scale. */
export const logitsOf = (maps: readonly (readonly tf.Tensor4D[])[]): tf.Tensor4D[] => maps.map(scale => scale.at(-1)!)
