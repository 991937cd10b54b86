import type { LayersModel } from '@tensorflow/tfjs-layers'
import { readWeights, type WeightValues } from './weights.js'

/** Decay at a step: it ramps up, so that the first steps are forgotten soon (Adam's authors' TensorFlow form). */
export const decayAt = (step: number, decay: number): number => Math.min(decay, (1 + step) / (10 + step))

/**
 * Moves the average towards the model's weights. In plain arrays: a tensor operation for each of some hundred weights
 * costs more than the arithmetic.
 */
export const updateAverage = async (
  average: WeightValues,
  model: LayersModel,
  step: number,
  decay: number,
): Promise<void> => {
  const rate = 1 - decayAt(step, decay)
  const weights = await readWeights(model)
  for (const [index, values] of weights.entries()) {
    const shadow = average[index]!
    for (let i = 0; i < shadow.length; i++) shadow[i]! += rate * (values[i]! - shadow[i]!)
  }
}
