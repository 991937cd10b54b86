import { FxError } from '@fx/core'
import { layers, type SymbolicTensor } from '@tensorflow/tfjs-layers'
import type { Activation } from './activation.js'
import { type BlockOptions, convBatchNorm, depthwiseBatchNorm } from './convolution.js'
import { makeDivisible } from './divisible.js'
import { squeezeExcite } from './squeeze-excite.js'

/** The names of the layers of one part of a block. */
export interface PartNames {
  conv: string
  batchNorm: string
  /** Of the layer of zeros, where there is one. Default `<conv>_pad`. */
  pad?: string
}

/** What blocks of several convolutions take, called parts: each has its own layers. */
export interface CompositeBlockOptions extends BlockOptions {
  filters: number
  /** Default 1. */
  stride?: 1 | 2
  /** Names the layers of a part, for weights from elsewhere. Default `<name>_<part>` and `<name>_<part>_BN`. */
  partNames?: (part: string) => PartNames
}

export interface DepthwiseSeparableOptions extends CompositeBlockOptions {
  /** Default 3. */
  kernelSize?: number
  /** After both convolutions. Default `relu6`. */
  activation?: Activation
}

export interface InvertedResidualOptions extends CompositeBlockOptions {
  /** Width of the inside over the width of the input (the paper's t). */
  expansion: number
  /** Default 3. */
  kernelSize?: number
  /** After all convolutions but the last. Default `relu6`. */
  activation?: Activation
  /** Ratio of a `squeezeExcite` before the last convolution. Default none. */
  squeezeExcite?: number
}

export interface FusedInvertedResidualOptions extends CompositeBlockOptions {
  /** Width of the inside over the width of the input, rounded by `makeDivisible`. */
  expansion: number
  /** Default 3. */
  kernelSize?: number
  /** After the first convolution. Default `relu`. */
  activation?: Activation
}

export interface UniversalInvertedBottleneckOptions extends CompositeBlockOptions {
  /** Width of the inside over the width of the input, rounded by `makeDivisible`. */
  expansion: number
  /** Side of the depthwise kernel before the expansion; 0 leaves it out. Default 0. */
  startKernelSize?: number
  /** Side of the depthwise kernel between expansion and projection; 0 leaves it out. Default 3. */
  middleKernelSize?: number
  /** After the expansion and the middle convolution. Default `relu`. */
  activation?: Activation
}

/** The options of one part of a block: those it shares with the others, and its names. */
const partOf =
  ({ name, batchNorm, seed, padding, branches, partNames }: CompositeBlockOptions) =>
  (part: string) => {
    const names = partNames?.(part) ?? {
      conv: `${name}_${part}`,
      batchNorm: `${name}_${part}_BN`,
      pad: part === 'depthwise' ? `${name}_pad` : undefined,
    }
    return {
      batchNorm,
      seed,
      padding,
      branches,
      name: names.conv,
      batchNormName: names.batchNorm,
      padName: names.pad,
    }
  }

/**
 * The last batch normalisation of a block that adds its input begins with scale zero, so that the block begins as the
 * identity (Goyal et al. 2017, section 5.1): a short training gets noticeably further.
 */
const residualOf = (input: SymbolicTensor, { name, filters, stride = 1 }: CompositeBlockOptions) => {
  const adds = stride === 1 && input.shape[3] === filters
  return {
    gamma: adds ? ('zeros' as const) : ('ones' as const),
    join: (output: SymbolicTensor): SymbolicTensor =>
      adds ? (layers.add({ name: `${name}_add` }).apply([input, output]) as SymbolicTensor) : output,
  }
}

/**
 * Depthwise separable convolution (Howard et al. 2017, "MobileNets", section 3.1): a depthwise k x k and a 1x1
 * convolution, each with batch normalisation and activation. `[N, H, W, C] -> [N, H / stride, W / stride, filters]`.
 *
 * Layers, each with `_BN` and `_relu`: `<name>_depthwise`, `<name>_pointwise`.
 */
export const depthwiseSeparable = (input: SymbolicTensor, options: DepthwiseSeparableOptions): SymbolicTensor => {
  const { filters, kernelSize, stride, activation } = options
  const part = partOf(options)
  const filtered = depthwiseBatchNorm(input, { ...part('depthwise'), kernelSize, stride, activation })
  return convBatchNorm(filtered, { ...part('pointwise'), filters, activation })
}

/**
 * Inverted residual with a linear bottleneck (Sandler et al. 2018, "MobileNetV2", table 1 and figure 4b): a 1x1
 * convolution widens by `expansion`, a depthwise k x k filters, a 1x1 without activation narrows; the input is added when
 * stride and width allow, and the block then begins as the identity. MobileNetV3 squeezes and excites before the last.
 * `[N, H, W, C] -> [N, H / stride, W / stride, filters]`.
 *
 * Parts: `expand` (left out at expansion 1), `depthwise`, `project`. Layers: theirs, those of `squeezeExcite`, `<name>_add`.
 */
export const invertedResidual = (input: SymbolicTensor, options: InvertedResidualOptions): SymbolicTensor => {
  const { name, filters, expansion, kernelSize, stride, activation, seed } = options
  const part = partOf(options)
  const { gamma, join } = residualOf(input, options)
  const expanded =
    expansion === 1
      ? input
      : convBatchNorm(input, { ...part('expand'), filters: Math.round(input.shape[3]! * expansion), activation })
  const filtered = depthwiseBatchNorm(expanded, { ...part('depthwise'), kernelSize, stride, activation })
  const ratio = options.squeezeExcite
  const weighed = ratio === undefined ? filtered : squeezeExcite(filtered, { name, ratio, seed })
  return join(convBatchNorm(weighed, { ...part('project'), filters, activation: 'linear', gamma }))
}

/**
 * Fused inverted residual (Gupta & Akin 2020; timm's EdgeResidual): one k x k convolution in place of the 1x1 and the
 * depthwise one, quicker where channels are few. `[N, H, W, C] -> [N, H / stride, W / stride, filters]`; the input is added
 * as in `invertedResidual`.
 *
 * Parts: `expand`, `project`. Layers: theirs, `<name>_add`.
 */
export const fusedInvertedResidual = (input: SymbolicTensor, options: FusedInvertedResidualOptions): SymbolicTensor => {
  const { filters, expansion, kernelSize = 3, stride, activation = 'relu' } = options
  const part = partOf(options)
  const { gamma, join } = residualOf(input, options)
  const width = makeDivisible(input.shape[3]! * expansion)
  const expanded = convBatchNorm(input, { ...part('expand'), filters: width, kernelSize, stride, activation })
  return join(convBatchNorm(expanded, { ...part('project'), filters, activation: 'linear', gamma }))
}

/**
 * Universal inverted bottleneck (Qin et al. 2024, "MobileNetV4", section 4): an inverted residual with a depthwise
 * convolution before the expansion, in the middle, in both places or in neither. The first has no activation; the last one
 * there is takes the stride. `[N, H, W, C] -> [N, H / stride, W / stride, filters]`; the input is added as in
 * `invertedResidual`.
 *
 * Parts: `dw_start`, `pw_exp`, `dw_mid`, `pw_proj`. Layers: theirs, `<name>_add`.
 *
 * @throws FxError `invalid-argument` for stride 2 without a depthwise convolution.
 */
export const universalInvertedBottleneck = (
  input: SymbolicTensor,
  options: UniversalInvertedBottleneckOptions,
): SymbolicTensor => {
  const { filters, expansion, startKernelSize = 0, middleKernelSize = 3, stride = 1, activation = 'relu' } = options
  if (stride === 2 && startKernelSize === 0 && middleKernelSize === 0) {
    throw new FxError(
      'invalid-argument',
      `The block '${options.name}' has stride 2 and no depthwise convolution to take it; give startKernelSize or middleKernelSize`,
    )
  }
  const part = partOf(options)
  const { gamma, join } = residualOf(input, options)
  let x = input
  if (startKernelSize > 0) {
    x = depthwiseBatchNorm(x, {
      ...part('dw_start'),
      kernelSize: startKernelSize,
      stride: middleKernelSize === 0 ? stride : 1,
      activation: 'linear',
    })
  }
  x = convBatchNorm(x, { ...part('pw_exp'), filters: makeDivisible(input.shape[3]! * expansion), activation })
  if (middleKernelSize > 0) {
    x = depthwiseBatchNorm(x, { ...part('dw_mid'), kernelSize: middleKernelSize, stride, activation })
  }
  return join(convBatchNorm(x, { ...part('pw_proj'), filters, activation: 'linear', gamma }))
}
