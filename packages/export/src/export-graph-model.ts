import type { io } from '@tensorflow/tfjs-core'
import type { LayersModel } from '@tensorflow/tfjs-layers'
import { type GraphModelOptions, toGraphModel } from './graph-model/to-graph-model.js'
import { importLayersModel } from './import/layers-model.js'
import { defaultPasses, optimize } from './optimize.js'
import { type FrozenValues, freezeInput } from './passes/freeze-input.js'

export interface ExportOptions extends GraphModelOptions {
  /**
   * Inputs `[N, P]` that become constants, by name: P values each, `undefined` for those that stay. What they modulate
   * (FiLM) folds into the convolutions, so the graph is that of a model without them.
   */
  freeze?: Readonly<Record<string, FrozenValues>>
}

/**
 * A trained `tf.LayersModel` as a folded, fused tfjs GraphModel, in memory. Inputs and outputs keep their names and
 * shapes, but for frozen inputs. The model stays the caller's; no tensor is made.
 *
 * @throws FxError `unsupported` naming the layer and its class, or what a frozen input cannot fold into, `not-finite` for
 *   a weight that is NaN or infinite, `invalid-argument` for a `freeze` that does not fit the model's inputs.
 */
export const exportGraphModel = async (
  model: LayersModel,
  { freeze = {}, ...options }: ExportOptions = {},
): Promise<io.ModelArtifacts> => {
  const freezing = Object.entries(freeze).map(([name, values]) => freezeInput(name, values))
  return toGraphModel(optimize(await importLayersModel(model), [...freezing, ...defaultPasses]), options)
}
