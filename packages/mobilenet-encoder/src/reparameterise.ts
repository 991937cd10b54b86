import { FxError } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import type { LayersModel, layers, SymbolicTensor } from '@tensorflow/tfjs-layers'
import { branchedConvolutions, foldBranches } from './fold-branches.js'

type Layer = layers.Layer

const misfit = (name: string, why: string): FxError =>
  new FxError(
    'shape-mismatch',
    `reparameterise: layer '${name}' ${why}; the second model must be the first one built with branches 1`,
    { details: { layer: name } },
  )

const setWeights = (layer: Layer, values: tf.Tensor[]): void => {
  const shapes = (tensors: readonly { shape: readonly (number | null)[] }[]) =>
    tensors.map(t => t.shape.join('x')).join()
  if (shapes(layer.weights) !== shapes(values)) {
    throw misfit(layer.name, `has weights of ${shapes(layer.weights)}, not ${shapes(values)}`)
  }
  layer.setWeights(values)
}

/**
 * Moves the weights of a model that was trained with branches into the same model without: each convolution gets the
 * kernel that its branches amount to, and the batch normalisation after it becomes their bias. In inference both compute
 * the same (Ding et al. 2021, "RepVGG", section 3.3); the plain one trains and saves as any other. An export of either is
 * the same graph, so this is not needed to ship. Both models stay the caller's.
 *
 * @throws FxError `shape-mismatch` naming the first layer that the models do not share; the plain model may then hold some
 * of the weights.
 */
export const reparameterise = (trained: LayersModel, plain: LayersModel): void =>
  tf.tidy(() => {
    const sources = new Map(trained.layers.map(layer => [layer.name, layer]))
    const branched = new Set(branchedConvolutions(trained))
    for (const layer of plain.layers.filter(({ weights }) => weights.length > 0)) {
      const source = layer.getClassName() === 'BatchNormalization' ? (layer.input as SymbolicTensor).sourceLayer : layer
      if (!branched.has(source.name)) {
        const same = sources.get(layer.name)
        if (same === undefined) throw misfit(layer.name, 'is not in the first')
        setWeights(layer, same.getWeights())
        continue
      }
      const { kernel, bias } = foldBranches(trained, source.name)
      if (source === layer) {
        setWeights(layer, [kernel])
        continue
      }
      // A variance that makes 1 of variance + epsilon leaves nothing of the normalisation but its offset.
      const variance = tf.fill(bias.shape, 1 - (layer.getConfig().epsilon as number))
      setWeights(layer, [tf.onesLike(bias), bias, tf.zerosLike(bias), variance])
    }
  })
