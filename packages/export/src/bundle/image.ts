import type { EffectSpec } from '@fx/core'
import { defaultParameters, FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import type { LayersModel } from '@tensorflow/tfjs-layers'

/** An image as pixels: HWC, RGB, 8 bits. The same shape as the teachers' images. */
export interface RgbImage {
  width: number
  height: number
  /** `width * height * 3` values, 0-255, row by row. */
  data: Uint8Array
}

/** The interval that stands for 0-255 in a model's input or output. */
export type ValueRange = readonly [number, number]

/** What a student computes with: its image size and, when it is conditioned, how many parameters it takes. */
export interface StudentShape {
  width: number
  height: number
  /** Length of the second input `[N, parameters]`, 0 without one. */
  parameters: number
}

const describe = (shape: readonly (number | null)[]): string => `[${shape.map(size => size ?? '?').join(', ')}]`

/**
 * Reads off what a bundle needs to know of a student, and refuses a model that is not one.
 *
 * @throws FxError `unsupported` unless the first input and the only output are `[N, height, width, 3]` of one fixed
 *   size and the second input, if any, is `[N, P]` with P the number of the effect's parameters.
 */
export const studentShape = (model: LayersModel, effect: EffectSpec): StudentShape => {
  const [image, parameters, ...others] = model.inputs
  const [, height, width, channels] = image!.shape
  const fail = (what: string) => new FxError('unsupported', `An effect bundle cannot hold this model: ${what}`)
  if (image!.shape.length !== 4 || channels !== 3 || height == null || width == null) {
    throw fail(`its first input is ${describe(image!.shape)}, allowed is [?, height, width, 3] of a fixed size`)
  }
  const output = model.outputs[0]!.shape
  if (model.outputs.length !== 1 || output.slice(1).join() !== image!.shape.slice(1).join()) {
    throw fail(
      `its outputs are ${model.outputs.map(({ shape }) => describe(shape))}, allowed is one of the input's shape`,
    )
  }
  const count = Object.keys(effect.parameters).length
  if (others.length > 0 || (parameters !== undefined && parameters.shape.slice(1).join() !== String(count))) {
    const shapes = model.inputs.map(({ shape }) => describe(shape)).join(', ')
    throw fail(`its inputs are ${shapes}, allowed are the image and [?, ${count}], the effect's parameters`)
  }
  return { width, height, parameters: parameters === undefined ? 0 : count }
}

/** The image at another size: of each pixel's place, the pixel that lies there. */
export const resized = (image: RgbImage, { width, height }: Pick<StudentShape, 'width' | 'height'>): RgbImage => {
  const data = new Uint8Array(width * height * 3)
  for (let y = 0; y < height; y++) {
    const row = Math.floor(((y + 0.5) * image.height) / height)
    for (let x = 0; x < width; x++) {
      const from = 3 * (row * image.width + Math.floor(((x + 0.5) * image.width) / width))
      data.set(image.data.subarray(from, from + 3), 3 * (y * width + x))
    }
  }
  return { width, height, data }
}

/**
 * An image as a student's input values.
 *
 * @throws FxError `shape-mismatch` when it has another size than the student.
 */
export const inputValues = (
  image: RgbImage,
  { width, height }: StudentShape,
  [low, high]: ValueRange,
): Float32Array => {
  if (image.width !== width || image.height !== height || image.data.length !== width * height * 3) {
    throw new FxError(
      'shape-mismatch',
      `The probe is ${image.width}x${image.height} with ${image.data.length} values, allowed is ${width}x${height} RGB`,
    )
  }
  return Float32Array.from(image.data, byte => low + (byte / 255) * (high - low))
}

/**
 * A student's input tensors for one image, with every parameter of `effect` at its default; no second one where it has
 * none. The caller disposes them.
 */
export const inputTensors = (values: Float32Array, shape: StudentShape, effect: EffectSpec): tf.Tensor[] => {
  const tensors: tf.Tensor[] = [tf.tensor4d(values, [1, shape.height, shape.width, 3])]
  const parameters = Object.values(defaultParameters(effect))
  if (shape.parameters > 0 && parameters.length > 0) tensors.push(tf.tensor2d([parameters]))
  return tensors
}

/** Model output as bytes: the range stretched to 0-255; the clamped array clamps and rounds. */
export const toBytes = (values: ArrayLike<number>, [low, high]: ValueRange): Uint8Array => {
  return new Uint8Array(Uint8ClampedArray.from(values, value => ((value - low) / (high - low)) * 255).buffer)
}
