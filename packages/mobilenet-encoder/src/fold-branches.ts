import { FxError, listed } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import type { LayersModel, layers, SymbolicTensor } from '@tensorflow/tfjs-layers'

type Layer = layers.Layer

/** One convolution in place of several: the weights of a Conv2D or DepthwiseConv2D with a bias. */
export interface FoldedConvolution {
  /** `[k, k, in, out]`; depthwise `[k, k, channels, 1]`. */
  kernel: tf.Tensor4D
  /** One value for each output channel. */
  bias: tf.Tensor1D
}

const suffix = '_sum'

/** A sum of batch normalisations, as `branches` builds it. */
const isSum = (layer: Layer): boolean =>
  layer.name.endsWith(suffix) &&
  layer.getClassName() === 'Add' &&
  (layer.input as SymbolicTensor[]).every(({ sourceLayer }) => sourceLayer.getClassName() === 'BatchNormalization')

const isDepthwise = (layer: Layer): boolean => layer.getClassName() === 'DepthwiseConv2D'

/** Factor and offset of each channel that an inference batch normalisation applies. */
const affine = (batchNorm: Layer): { scale: tf.Tensor1D; offset: tf.Tensor1D } => {
  const [gamma, beta, mean, variance] = batchNorm.getWeights() as tf.Tensor1D[]
  const scale = tf.div(gamma!, tf.sqrt(tf.add(variance!, batchNorm.getConfig().epsilon as number))) as tf.Tensor1D
  return { scale, offset: tf.sub(beta!, tf.mul(mean!, scale)) as tf.Tensor1D }
}

/** The names of the convolutions of a model that have branches, for `foldBranches`. */
export const branchedConvolutions = (network: LayersModel): string[] =>
  network.layers.filter(isSum).map(({ name }) => name.slice(0, -suffix.length))

/**
 * Folds the branches of one convolution (option `branches`) with their batch normalisations, at its moving statistics,
 * into one convolution with a bias that computes the same (Ding et al. 2021, "RepVGG", section 3.3). Of its strides and
 * padding nothing changes. The caller owns both tensors.
 *
 * @param name name of the convolution, as in `branchedConvolutions`.
 * @throws FxError `invalid-argument` when the model has no such convolution.
 */
export const foldBranches = (network: LayersModel, name: string): FoldedConvolution => {
  const sum = network.layers.find(layer => layer.name === name + suffix && isSum(layer))
  if (sum === undefined) {
    const names = branchedConvolutions(network)
    throw new FxError(
      'invalid-argument',
      `The model has no convolution '${name}' with branches; ${names.length === 0 ? 'it has none at all' : `it has ${listed(names)}`}`,
    )
  }
  return tf.tidy(() => {
    const branches = (sum.input as SymbolicTensor[]).map(({ sourceLayer }) => sourceLayer)
    const main = (branches[0]!.input as SymbolicTensor).sourceLayer
    const [size, , from] = main.weights[0]!.shape as [number, number, number]
    const depthwise = isDepthwise(main)
    const identity = depthwise ? tf.ones([1, 1, from, 1]) : tf.reshape(tf.eye(from), [1, 1, from, from])

    const folded = branches.map(batchNorm => {
      const source = (batchNorm.input as SymbolicTensor).sourceLayer
      const isBare = source.name !== main.name && !source.name.startsWith(`${name}_branch_`)
      const kernel = isBare ? identity : source.getWeights()[0]!
      const { scale, offset } = affine(batchNorm)
      const side = (size - kernel.shape[0]!) / 2
      const scaled = tf.mul(kernel, depthwise ? tf.reshape(scale, [-1, 1]) : scale) as tf.Tensor4D
      const zeros: [number, number] = [side, side]
      return { kernel: tf.pad(scaled, [zeros, zeros, [0, 0], [0, 0]]), bias: offset }
    })
    return { kernel: tf.addN(folded.map(({ kernel }) => kernel)), bias: tf.addN(folded.map(({ bias }) => bias)) }
  })
}
