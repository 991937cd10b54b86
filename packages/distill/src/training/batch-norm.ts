import * as tf from '@tensorflow/tfjs-core'
import type { LayersModel } from '@tensorflow/tfjs-layers'
import type { Batch } from '../data/batches.js'
import { batchTensors, forward } from './forward.js'

/**
 * Measures batch-norm statistics again as plain means over batches. Averaged weights were never run in training mode, so
 * their running statistics lag behind them (Izmailov et al., "Averaging Weights Leads to Wider Optima", UAI 2018,
 * section 3.2; Wu and Johnson, "Rethinking 'Batch' in BatchNorm", 2021, section 3: PreciseBN).
 */
export const recalibrateBatchNorm = async (
  model: LayersModel,
  size: number,
  batches: AsyncIterable<Batch>,
): Promise<void> => {
  const layers = model.layers.filter(layer => layer.getClassName() === 'BatchNormalization') as unknown as {
    momentum: number
  }[]
  if (layers.length === 0) return
  const momenta = layers.map(layer => layer.momentum)
  try {
    let done = 0
    for await (const batch of batches) {
      // With momentum k / (k + 1) the running statistic is the mean of all batches so far.
      for (const layer of layers) layer.momentum = done / (done + 1)
      tf.tidy(() => {
        forward(model, batchTensors(batch, size).inputs, true)
      })
      done++
      await new Promise(setImmediate)
    }
  } finally {
    for (const [index, layer] of layers.entries()) layer.momentum = momenta[index]!
  }
}
