import type { LayersModel } from '@tensorflow/tfjs-layers'
import { importLayersModel } from './import/layers-model.js'
import { optimize, tflitePasses } from './optimize.js'
import { type FrozenValues, freezeInput } from './passes/freeze-input.js'
import { type TfliteOptions, toTflite } from './tflite/to-tflite.js'

export interface TfliteExportOptions extends TfliteOptions {
  /** As in `ExportOptions`. */
  freeze?: Readonly<Record<string, FrozenValues>>
}

/**
 * A trained `tf.LayersModel` as the bytes of a folded, fused TensorFlow Lite file, float32, for one picture. Inputs and
 * outputs keep their names and shapes, but for frozen inputs and the batch, which is 1. The model stays the caller's; no
 * tensor is made.
 *
 * @throws FxError `unsupported` naming the layer and its class, the node whose size is open, or what a frozen input cannot
 *   fold into, `not-finite` for a weight that is NaN or infinite, `invalid-argument` for a `freeze` that does not fit the
 *   model's inputs.
 */
export const exportTflite = async (
  model: LayersModel,
  { freeze = {}, ...options }: TfliteExportOptions = {},
): Promise<Uint8Array> => {
  const freezing = Object.entries(freeze).map(([name, values]) => freezeInput(name, values))
  return toTflite(optimize(await importLayersModel(model), [...freezing, ...tflitePasses]), options)
}
