import { FxError } from '@fx/core'
import { type LayersModel, layers, model as layersModel, type SymbolicTensor } from '@tensorflow/tfjs-layers'
import type { RgbImage, ValueRange } from './image.js'

/** The layer's output, if the model has such a layer. */
const outputOf = (model: LayersModel, name: string): SymbolicTensor | undefined =>
  model.layers.find(layer => layer.name === name)?.output as SymbolicTensor | undefined

/**
 * A student whose head is `alpha`, cut before it blends: what it paints and where, `[N, height, width, 4]`. Shares its
 * layers with `model` and has no weights of its own, so it needs no disposal.
 *
 * @throws FxError `unsupported` for a student that does not decide where it paints.
 */
export const matteModel = (model: LayersModel): LayersModel => {
  const paint = outputOf(model, 'paint')
  const alpha = outputOf(model, 'alpha_gated') ?? outputOf(model, 'alpha')
  if (paint?.shape.at(-1) !== 3 || alpha?.shape.at(-1) !== 1) {
    throw new FxError(
      'unsupported',
      "A matte needs a student whose head is 'alpha': its layers 'paint' with 3 channels and 'alpha' (or 'alpha_gated') with 1",
    )
  }
  const outputs = layers.concatenate({ name: 'matte', axis: -1 }).apply([paint, alpha]) as SymbolicTensor
  return layersModel({ inputs: model.inputs, outputs })
}

/** A student's answer of four channels over the picture that it was asked about, as bytes. */
export const overlaid = (answer: ArrayLike<number>, picture: RgbImage, [low, high]: ValueRange): Uint8Array => {
  const bytes = new Uint8ClampedArray(picture.data.length)
  for (let i = 0; i < bytes.length; i++) {
    const pixel = 4 * Math.floor(i / 3)
    const alpha = answer[pixel + 3]!
    // As a runtime has it: bytes hold no more than the range.
    const paint = Math.min(Math.max(((answer[pixel + (i % 3)]! - low) / (high - low)) * 255, 0), 255)
    bytes[i] = picture.data[i]! * (1 - alpha) + paint * alpha
  }
  return new Uint8Array(bytes.buffer)
}
