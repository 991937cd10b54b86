import * as tf from '@tensorflow/tfjs-core'
import type { Store } from '../network/store.js'
import { ACTIVATION_SCALE, dense, leakyRelu, normalise } from './ops.js'
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
  const parts = [...(z ? [normalise(z)] : []), ...(labels ? [normalise(dense(store, 'mapping.embed', labels))] : [])]
  let x = parts.length > 1 ? tf.concat2d(parts, 1) : parts[0]!
  for (let layer = 0; layer < layers; layer++) {
    x = leakyRelu(dense(store, `mapping.fc${layer}`, x, { lr: MAPPING_LR, scale: ACTIVATION_SCALE }))
  }
  return x
}
