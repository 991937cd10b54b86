import { FxError } from '@fx/core'
import type { TensorInfo } from '@tensorflow/tfjs-core'
import * as tf from '@tensorflow/tfjs-core'
import { addressOf, allocateZeros, nativeKernels, withScratch } from './native.js'
import type { Call, NativeKernel } from './override.js'

type Shape4 = [number, number, number, number]

interface ConvAttrs {
  strides: number | [number, number]
  pad: 'valid' | 'same' | number | tf.backend_util.ExplicitPadding
  dataFormat?: 'NHWC' | 'NCHW'
  dilations?: number | [number, number]
  dimRoundingMode?: 'floor' | 'round' | 'ceil'
  inputShape?: Shape4
  filterShape?: Shape4
}

const convInfo = (x: number[], filter: number[], attrs: ConvAttrs, depthwise: boolean) => {
  const { strides, pad, dataFormat = 'NHWC', dilations = 1, dimRoundingMode } = attrs
  if (dataFormat !== 'NHWC') {
    throw new FxError('unsupported', `Convolution gradients on wasm need dataFormat 'NHWC', got '${dataFormat}'.`)
  }
  const info = tf.backend_util.computeConv2DInfo(
    x as Shape4,
    filter as Shape4,
    strides,
    dilations,
    pad,
    dimRoundingMode,
    depthwise,
  )
  if (!depthwise && (info.dilationHeight > 1 || info.dilationWidth > 1)) {
    throw new FxError('unsupported', 'A dilated convolution has no gradient in tfjs.')
  }
  return info
}

type ConvInfo = ReturnType<typeof convInfo>

const sizes = (info: ConvInfo): number[] => [info.batchSize, info.inHeight, info.inWidth, info.inChannels]

const convArgs = (info: ConvInfo): number[] => [
  ...sizes(info),
  info.filterHeight,
  info.filterWidth,
  info.outHeight,
  info.outWidth,
  info.outChannels,
  info.strideHeight,
  info.strideWidth,
  info.padInfo.top,
  info.padInfo.left,
]

const depthwiseArgs = (info: ConvInfo): number[] => [
  ...sizes(info),
  info.outChannels / info.inChannels,
  info.filterHeight,
  info.filterWidth,
  info.outHeight,
  info.outWidth,
  info.strideHeight,
  info.strideWidth,
  info.dilationHeight,
  info.dilationWidth,
  info.padInfo.top,
  info.padInfo.left,
]

const filterGradient =
  (depthwise: boolean) =>
  ({ inputs, attrs: given, backend }: Call) => {
    const { x, dy } = inputs as { x: TensorInfo; dy: TensorInfo }
    const attrs = given as unknown as ConvAttrs
    const info = convInfo(x.shape, attrs.filterShape!, attrs, depthwise)
    const dw = allocateZeros(backend, attrs.filterShape!)
    const native = nativeKernels(backend)
    const run = depthwise ? native.depthwiseBackpropFilter : native.convBackpropFilter
    const args = depthwise ? depthwiseArgs(info) : convArgs(info)
    run(addressOf(backend, x), addressOf(backend, dy), dw.address, ...args)
    return dw.info
  }

const depthwiseInputGradient = ({ inputs, attrs: given, backend }: Call) => {
  const { dy, filter } = inputs as { dy: TensorInfo; filter: TensorInfo }
  const attrs = given as unknown as ConvAttrs
  const info = convInfo(attrs.inputShape!, filter.shape, attrs, true)
  const dx = allocateZeros(backend, attrs.inputShape!)
  const native = nativeKernels(backend)
  native.depthwiseBackpropInput(addressOf(backend, dy), addressOf(backend, filter), dx.address, ...depthwiseArgs(info))
  return dx.info
}

const inputGradient = ({ inputs, attrs: given, backend }: Call) => {
  const { dy, filter } = inputs as { dy: TensorInfo; filter: TensorInfo }
  const attrs = given as unknown as ConvAttrs
  const info = convInfo(attrs.inputShape!, filter.shape, attrs, false)
  const native = nativeKernels(backend)
  return withScratch(backend, tf.util.sizeFromShape(filter.shape), turned => {
    const taps = info.filterHeight * info.filterWidth
    const dx = allocateZeros(backend, attrs.inputShape!)
    native.turnFilter(addressOf(backend, filter), turned, taps, info.inChannels, info.outChannels)
    native.convBackpropInput(addressOf(backend, dy), turned, dx.address, ...convArgs(info))
    return dx.info
  })
}

/** Gradients of convolutions: three that tfjs-wasm lacks, and its naive Conv2DBackpropInput. */
export const convKernels: NativeKernel[] = [
  { kernelName: tf.Conv2DBackpropFilter, run: filterGradient(false) },
  { kernelName: tf.Conv2DBackpropInput, run: inputGradient },
  { kernelName: tf.DepthwiseConv2dNativeBackpropFilter, run: filterGradient(true) },
  { kernelName: tf.DepthwiseConv2dNativeBackpropInput, run: depthwiseInputGradient },
]
