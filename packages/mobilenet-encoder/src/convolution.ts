import { integerIn, seededRandom } from '@fx/core'
import { initializers, layers, type SymbolicTensor } from '@tensorflow/tfjs-layers'
import { type Activation, activate } from './activation.js'

/**
 * How stride-2 convolutions pad; at stride 1 all are equal. Pretrained weights need the one they were trained with.
 *
 * - `same` is TensorFlow's: an even side gets its one row of zeros at the end.
 * - `symmetric` is PyTorch's `k // 2` on every side.
 * - `keras` is what keras.applications builds for an unknown input size: at even sizes the same as `same`, but depthwise
 *   convolutions get the zeros of an even side at odd sizes, too, so that those are halved downwards.
 */
export const paddings = ['same', 'symmetric', 'keras'] as const
export type Padding = (typeof paddings)[number]

/** Batch-normalisation constants: `moving = momentum * moving + (1 - momentum) * batch`. */
export interface BatchNormOptions {
  momentum: number
  epsilon: number
}

/** Momentum 0.9, so that the moving statistics follow a training of a few hundred steps; Keras's MobileNet epsilon. */
export const defaultBatchNorm: Readonly<BatchNormOptions> = { momentum: 0.9, epsilon: 1e-3 }

/** What every block takes. */
export interface BlockOptions {
  /** Prefix of the names of the block's layers; unique within a model. */
  name: string
  batchNorm?: Readonly<BatchNormOptions>
  /** Seed of the model's initial weights; each layer derives its own from it and its name. Default 0. */
  seed?: number
  /** Default `same`. */
  padding?: Padding
  /**
   * Parallel convolutions in training, for each that remains afterwards, 1 to 8 (MobileOne, Vasu et al. 2023, section
   * 3.2). From 2 on, a stride-1 convolution also gets a 1x1 beside a larger kernel, and a bare batch normalisation where
   * it keeps the width. All are linear, so `foldBranches` and the export make one convolution of them. Default 1.
   */
  branches?: number
}

/** Options of one convolution with its batch normalisation and activation. */
export interface ConvolutionOptions extends BlockOptions {
  /** Side of the kernel. */
  kernelSize?: number
  /** Default 1. */
  stride?: 1 | 2
  /** Default `relu6`. */
  activation?: Activation
  /** Name of the batch normalisation when it is not `<name>_BN`. */
  batchNormName?: string
  /** Name of the layer of zeros, where there is one, when it is not `<name>_pad`. */
  padName?: string
  /** Initial scale of the batch normalisation. Default `ones`. */
  gamma?: 'ones' | 'zeros'
}

export interface ConvBatchNormOptions extends ConvolutionOptions {
  filters: number
}

/** The most parallel convolutions that `branches` allows. */
export const mostBranches = 8

/**
 * The seed of one layer's initial weights. One seed for all layers would give layers of one shape equal weights.
 * Never 0, which tfjs takes for "no seed".
 */
export const layerSeed = (seed: number, layerName: string): number =>
  1 + seededRandom(seed, 'initial-weights', layerName).integer(2 ** 31 - 1)

/**
 * The names of the layers that may stand in parallel to the convolution `name`: `copies` have its kernel's size,
 * `pointwise` is 1x1, `identity` a batch normalisation alone. Each convolution's batch normalisation has `_BN` appended.
 */
const branchNames = (name: string, branches: number) => ({
  copies: Array.from({ length: branches - 1 }, (_, i) => `${name}_branch_${i + 2}`),
  pointwise: `${name}_branch_1x1`,
  identity: `${name}_branch_identity`,
})

/** Normal, of variance `gain / fan`: 2 before a rectifier, 1 before none (He et al. 2015, section 2.2). */
export const heNormal = (seed: number, name: string, activation: Activation, fan: 'fanIn' | 'fanOut' = 'fanIn') =>
  initializers.varianceScaling({
    scale: activation === 'linear' ? 1 : 2,
    mode: fan,
    distribution: 'normal',
    seed: layerSeed(seed, name),
  })

type Kind = 'conv' | 'depthwise'

/** Rows (and columns) of zeros before and after, `undefined` where the convolution can pad by itself. */
const explicitZeros = (
  kind: Kind,
  kernelSize: number,
  stride: number,
  padding: Padding,
): [number, number] | undefined => {
  if (padding === 'same' || stride === 1 || kernelSize === 1) return undefined
  const side = Math.floor(kernelSize / 2)
  if (padding === 'symmetric') return [side, side]
  return kind === 'depthwise' ? [side - 1, side] : undefined
}

const convolution = (
  input: SymbolicTensor,
  kind: Kind,
  filters: number,
  options: ConvolutionOptions & { kernelSize: number },
): SymbolicTensor => {
  const { name, kernelSize, stride = 1, activation = 'relu6', seed = 0, gamma = 'ones' } = options
  const { momentum, epsilon } = options.batchNorm ?? defaultBatchNorm
  const branches = integerIn('branches', options.branches ?? 1, 1, mostBranches)
  const zeros = explicitZeros(kind, kernelSize, stride, options.padding ?? 'same')
  const source =
    zeros === undefined
      ? input
      : (layers
          .zeroPadding2d({ name: options.padName ?? `${name}_pad`, padding: [zeros, zeros] })
          .apply(input) as SymbolicTensor)

  const normalised = (x: SymbolicTensor, batchNormName: string): SymbolicTensor =>
    layers
      .batchNormalization({ name: batchNormName, momentum, epsilon, gammaInitializer: gamma })
      .apply(x) as SymbolicTensor

  const branch = (layerName: string, size: number, batchNormName = `${layerName}_BN`): SymbolicTensor => {
    const shared = {
      name: layerName,
      kernelSize: size,
      strides: stride,
      padding: zeros === undefined ? 'same' : 'valid',
      useBias: false,
    } as const
    const layer =
      kind === 'conv'
        ? layers.conv2d({ ...shared, filters, kernelInitializer: heNormal(seed, layerName, activation) })
        : // A depthwise kernel [k, k, C, 1] sees k * k inputs; Keras's fan-in counts C times as many, its fan-out is true.
          layers.depthwiseConv2d({
            ...shared,
            depthwiseInitializer: heNormal(seed, layerName, activation, 'fanOut'),
          })
    return normalised(layer.apply(source) as SymbolicTensor, batchNormName)
  }

  const main = branch(name, kernelSize, options.batchNormName)
  if (branches === 1) return activate(main, activation, name)
  const { copies, pointwise, identity } = branchNames(name, branches)
  const parallel = [main, ...copies.map(copy => branch(copy, kernelSize))]
  if (stride === 1 && kernelSize > 1) parallel.push(branch(pointwise, 1))
  if (stride === 1 && input.shape[3] === filters) parallel.push(normalised(input, `${identity}_BN`))
  return activate(layers.add({ name: `${name}_sum` }).apply(parallel) as SymbolicTensor, activation, name)
}

/**
 * Convolution without bias (default 1x1), batch normalisation, activation:
 * `[N, H, W, C] -> [N, H / stride, W / stride, filters]`, sides rounded up.
 *
 * Layers: `<name>_pad` (explicit padding only), `<name>`, `<name>_BN`, then those of `activate`.
 */
export const convBatchNorm = (input: SymbolicTensor, options: ConvBatchNormOptions): SymbolicTensor =>
  convolution(input, 'conv', options.filters, { ...options, kernelSize: options.kernelSize ?? 1 })

/**
 * Depthwise convolution without bias (default 3x3), batch normalisation, activation:
 * `[N, H, W, C] -> [N, H / stride, W / stride, C]`, sides rounded up. Layers as in `convBatchNorm`.
 */
export const depthwiseBatchNorm = (input: SymbolicTensor, options: ConvolutionOptions): SymbolicTensor =>
  convolution(input, 'depthwise', input.shape[3]!, { ...options, kernelSize: options.kernelSize ?? 3 })
