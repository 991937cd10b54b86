import { FxError, shown } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { layers, type SymbolicTensor } from '@tensorflow/tfjs-layers'

/**
 * What pretrained weights were shown: `(image - mean) / std` of an image in [0, 1], by channel or the same for all.
 * Students are shown the image itself, as were the weights of nsfwjs.
 */
export interface InputNormalization {
  readonly mean: number | readonly number[]
  readonly std: number | readonly number[]
}

/** [-1, 1]: keras.applications, and those of timm that say mean and std 0.5 in their config.json (`tf_...`). */
export const symmetricNormalization: InputNormalization = { mean: 0.5, std: 0.5 }

/** ImageNet's mean and standard deviation: those of timm that say so in their config.json, and torchvision. */
export const imagenetNormalization: InputNormalization = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }

/** Pixels of 0 to 255, nothing taken away: the face network. */
export const pixelNormalization: InputNormalization = { mean: 0, std: 1 / 255 }

/** Mean and standard deviation of each channel, checked. */
export const channelwise = (
  normalization: InputNormalization,
  channels: number,
): { mean: readonly number[]; std: readonly number[] } => {
  const each = (name: 'mean' | 'std'): readonly number[] => {
    const given = normalization?.[name]
    const values = typeof given === 'number' ? new Array<number>(channels).fill(given) : given
    const sound = (value: unknown): boolean => Number.isFinite(value) && (name === 'mean' || (value as number) > 0)
    if (!Array.isArray(values) || values.length !== channels || !values.every(sound)) {
      const wanted = name === 'mean' ? 'a number' : 'a number above 0'
      throw new FxError(
        'invalid-argument',
        `${name} of the normalization is ${shown(given)}; it must be ${wanted}, or ${channels} of them, one for each channel`,
      )
    }
    return values
  }
  return { mean: each('mean'), std: each('std') }
}

/**
 * Normalises an image in [0, 1] as pretrained weights expect it, by one frozen layer of two numbers a channel:
 * `[N, H, W, C] -> [N, H, W, C]`. Exact everywhere, at the cost of a pass over the image; `foldNormalization` of
 * `loadEncoderWeights` costs nothing and differs at the border.
 *
 * Layer: `<name>`, a Rescaling, or a DepthwiseConv2D where channels differ.
 *
 * @param name default `normalize_input`.
 * @throws FxError `invalid-argument` for a mean or std that does not fit the channels.
 */
export const normalizeInput = (
  image: SymbolicTensor,
  normalization: InputNormalization,
  name = 'normalize_input',
): SymbolicTensor => {
  const { mean, std } = channelwise(normalization, image.shape[3]!)
  const scale = std.map(value => 1 / value)
  const offset = mean.map((value, channel) => -value / std[channel]!)
  if (new Set(scale).size === 1 && new Set(offset).size === 1)
    return layers.rescaling({ name, scale: scale[0]!, offset: offset[0]! }).apply(image) as SymbolicTensor
  const layer = layers.depthwiseConv2d({ name, kernelSize: 1, trainable: false })
  const output = layer.apply(image) as SymbolicTensor
  tf.tidy(() => layer.setWeights([tf.tensor(scale, [1, 1, scale.length, 1]), tf.tensor(offset, [offset.length])]))
  return output
}
