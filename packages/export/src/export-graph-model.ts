import type { io } from '@tensorflow/tfjs-core'
import type { LayersModel } from '@tensorflow/tfjs-layers'
import { type GraphModelOptions, toGraphModel } from './graph-model/to-graph-model.js'
import { importLayersModel } from './import/layers-model.js'
import { optimize } from './optimize.js'

/**
 * A trained `tf.LayersModel` as a folded, fused tfjs GraphModel, in memory. Inputs and outputs keep their names and
 * shapes. The model stays the caller's; no tensor is made.
 *
 * @throws FxError `unsupported` naming the layer and its class, `not-finite` for a weight that is NaN or infinite.
 */
export const exportGraphModel = async (model: LayersModel, options?: GraphModelOptions): Promise<io.ModelArtifacts> =>
  toGraphModel(optimize(await importLayersModel(model)), options)
