import { seededRandom } from '@fx/core'
import { initializers, layers, type SymbolicTensor } from '@tensorflow/tfjs-layers'

/**
 * How stride-2 convolutions pad. `same` is TensorFlow's (an even side gets its one row of zeros at the end), `symmetric`
 * is PyTorch's `k // 2` on every side. At stride 1 they are equal. Pretrained weights need the one they were trained with.
 */
export type Padding = 'same' | 'symmetric'

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
}

export interface ConvBatchNormOptions extends BlockOptions {
  filters: number
  /** Side of the kernel. Default 1. */
  kernelSize?: number
  /** Default 1. */
  stride?: 1 | 2
  /** Default `relu6`. */
  activation?: 'relu6' | 'linear'
  /** Name of the batch normalisation when it is not `<name>_BN`. */
  batchNormName?: string
  /** Initial scale of the batch normalisation. Default `ones`. */
  gamma?: 'ones' | 'zeros'
}

export interface DepthwiseSeparableOptions extends BlockOptions {
  filters: number
  kernelSize?: number
  stride?: 1 | 2
  /** Activation after the 1x1 convolution. Default `relu6`. */
  activation?: 'relu6' | 'linear'
  /** Suffix of the 1x1 convolution's name. Default `pointwise`. */
  pointwiseName?: string
  /** Initial scale of the last batch normalisation. Default `ones`. */
  gamma?: 'ones' | 'zeros'
}

export interface InvertedResidualOptions extends BlockOptions {
  filters: number
  /** Width of the inside over the width of the input (the paper's t). */
  expansion: number
  kernelSize?: number
  stride?: 1 | 2
}

/**
 * The seed of one layer's initial weights. One seed for all layers would give layers of one shape equal weights.
 * Never 0, which tfjs takes for "no seed".
 */
export const layerSeed = (seed: number, layerName: string): number =>
  1 + seededRandom(seed, 'initial-weights', layerName).integer(2 ** 31 - 1)

/** He's variance (2 / fan-in) before a rectifier, 1 / fan-in before none (He et al. 2015, section 2.2). */
const kernelInitializer = (seed: number, name: string, rectified: boolean) =>
  initializers.varianceScaling({
    scale: rectified ? 2 : 1,
    mode: 'fanIn',
    distribution: 'normal',
    seed: layerSeed(seed, name),
  })

/**
 * A depthwise kernel `[k, k, C, 1]` sees k * k inputs, but Keras's fan-in counts C times as many; its fan-out is the true
 * number.
 */
const depthwiseInitializer = (seed: number, name: string) =>
  initializers.varianceScaling({ scale: 2, mode: 'fanOut', distribution: 'normal', seed: layerSeed(seed, name) })

const padded = (input: SymbolicTensor, name: string, kernelSize: number, stride: number, padding: Padding) => {
  if (padding === 'same' || stride === 1 || kernelSize === 1) return { tensor: input, padding: 'same' as const }
  const side = Math.floor(kernelSize / 2)
  const layer = layers.zeroPadding2d({
    name,
    padding: [
      [side, side],
      [side, side],
    ],
  })
  return { tensor: layer.apply(input) as SymbolicTensor, padding: 'valid' as const }
}

const normalised = (
  input: SymbolicTensor,
  batchNormName: string,
  reluName: string | undefined,
  { momentum, epsilon }: Readonly<BatchNormOptions>,
  gammaInitializer: 'ones' | 'zeros' = 'ones',
): SymbolicTensor => {
  const output = layers
    .batchNormalization({ name: batchNormName, momentum, epsilon, gammaInitializer })
    .apply(input) as SymbolicTensor
  return reluName === undefined
    ? output
    : (layers.reLU({ name: reluName, maxValue: 6 }).apply(output) as SymbolicTensor)
}

/**
 * Convolution without bias, batch normalisation, ReLU6 (or none): `[N, H, W, C] -> [N, H / stride, W / stride, filters]`.
 *
 * Layers: `<name>_pad` (symmetric padding at stride 2 only), `<name>`, `<name>_BN`, `<name>_relu`.
 */
export const convBatchNorm = (input: SymbolicTensor, options: ConvBatchNormOptions): SymbolicTensor => {
  const { name, filters, kernelSize = 1, stride = 1, activation = 'relu6', seed = 0 } = options
  const source = padded(input, `${name}_pad`, kernelSize, stride, options.padding ?? 'same')
  const output = layers
    .conv2d({
      name,
      filters,
      kernelSize,
      strides: stride,
      padding: source.padding,
      useBias: false,
      kernelInitializer: kernelInitializer(seed, name, activation === 'relu6'),
    })
    .apply(source.tensor) as SymbolicTensor
  return normalised(
    output,
    options.batchNormName ?? `${name}_BN`,
    activation === 'relu6' ? `${name}_relu` : undefined,
    options.batchNorm ?? defaultBatchNorm,
    options.gamma,
  )
}

const depthwise = (
  input: SymbolicTensor,
  options: BlockOptions & { kernelSize: number; stride: 1 | 2 },
): SymbolicTensor => {
  const name = `${options.name}_depthwise`
  const source = padded(input, `${options.name}_pad`, options.kernelSize, options.stride, options.padding ?? 'same')
  const output = layers
    .depthwiseConv2d({
      name,
      kernelSize: options.kernelSize,
      strides: options.stride,
      padding: source.padding,
      useBias: false,
      depthwiseInitializer: depthwiseInitializer(options.seed ?? 0, name),
    })
    .apply(source.tensor) as SymbolicTensor
  return normalised(output, `${name}_BN`, `${name}_relu`, options.batchNorm ?? defaultBatchNorm)
}

/**
 * Depthwise separable convolution (Howard et al. 2017, "MobileNets", section 3.1): a depthwise k x k and a 1x1
 * convolution, each with batch normalisation and ReLU6. `[N, H, W, C] -> [N, H / stride, W / stride, filters]`.
 *
 * Layers: `<name>_depthwise`, `<name>_depthwise_BN`, `<name>_depthwise_relu`, and the same for `<name>_pointwise`.
 */
export const depthwiseSeparable = (input: SymbolicTensor, options: DepthwiseSeparableOptions): SymbolicTensor => {
  const { kernelSize = 3, stride = 1, pointwiseName = 'pointwise' } = options
  return convBatchNorm(depthwise(input, { ...options, kernelSize, stride }), {
    name: `${options.name}_${pointwiseName}`,
    filters: options.filters,
    activation: options.activation,
    batchNorm: options.batchNorm,
    gamma: options.gamma,
    seed: options.seed,
  })
}

/**
 * Inverted residual with a linear bottleneck (Sandler et al. 2018, "MobileNetV2", table 1 and figure 4b): a 1x1
 * convolution widens by `expansion`, a depthwise k x k filters, a 1x1 without activation narrows; the input is added when
 * stride and width allow. `[N, H, W, C] -> [N, H / stride, W / stride, filters]`.
 *
 * Where the input is added, the last batch normalisation begins with scale zero, so that the block begins as the identity
 * (Goyal et al. 2017, section 5.1): a short training gets noticeably further.
 *
 * Layers, each with `_BN` and, but for the last, `_relu`: `<name>_expand` (left out at expansion 1), `<name>_depthwise`,
 * `<name>_project`; then `<name>_add`.
 */
export const invertedResidual = (input: SymbolicTensor, options: InvertedResidualOptions): SymbolicTensor => {
  const { name, filters, expansion, kernelSize = 3, stride = 1, batchNorm, seed } = options
  const width = input.shape[3]!
  const residual = stride === 1 && width === filters
  const expanded =
    expansion === 1
      ? input
      : convBatchNorm(input, { name: `${name}_expand`, filters: Math.round(width * expansion), batchNorm, seed })
  const output = depthwiseSeparable(expanded, {
    ...options,
    kernelSize,
    stride,
    activation: 'linear',
    pointwiseName: 'project',
    gamma: residual ? 'zeros' : 'ones',
  })
  return residual ? (layers.add({ name: `${name}_add` }).apply([input, output]) as SymbolicTensor) : output
}
