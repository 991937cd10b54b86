import * as tf from '@tensorflow/tfjs-core'
import type { Store } from '../network/store.js'
import { cheapestActivation, dense, normalise } from './ops.js'
import { MAPPING_LR } from './parameters.js'

/**
 * The mapping network: z `[N, zDim]` and labels `[N, cDim]`, where the network has them, to w `[N, wDim]`. Both inputs
 * are normalised to unit mean square. A discriminator's has labels only.
 *
 * Source: Karras et al., "A style-based generator architecture for generative adversarial networks", CVPR 2019, section
 * 2; labels as in "Training generative adversarial networks with limited data", NeurIPS 2020.
 */
export const mapLatents = (
  store: Store,
  layers: number,
  z: tf.Tensor2D | undefined,
  labels: tf.Tensor2D | undefined,
): tf.Tensor2D => {
  const parts = [
    ...(z ? [normalise(store, z)] : []),
    ...(labels ? [normalise(store, dense(store, 'mapping.embed', labels))] : []),
  ]
  let x = parts.length > 1 ? tf.concat2d(parts, 1) : parts[0]!
  const { scale, apply } = cheapestActivation(store)
  for (let layer = 0; layer < layers; layer++) {
    x = apply(dense(store, `mapping.fc${layer}`, x, { lr: MAPPING_LR, scale }))
  }
  return x
}
