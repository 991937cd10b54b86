import type { Operation } from '../graph.js'
import { emitActivation } from './activations.js'
import { channelsOf, type LayerCall, type LayerConverter, pair, requireChannelsLast, unsupported } from './context.js'

const identity: LayerConverter = call => call.emit({ op: 'identity' }, call.inputs, call.outputShape)

const padding = (call: LayerCall): 'same' | 'valid' => {
  const { padding } = call.config
  if (padding !== 'same' && padding !== 'valid') {
    throw unsupported(call, `padding is ${JSON.stringify(padding)}, allowed are 'same' and 'valid'`)
  }
  return padding
}

const convolution =
  (op: 'conv2d' | 'depthwiseConv2d'): LayerConverter =>
  call => {
    requireChannelsLast(call)
    const [filter, bias] = call.weights
    const dilations = pair(call.config.dilationRate, 1)
    if (op === 'depthwiseConv2d' && Math.max(...dilations) > 1) {
      throw unsupported(call, `dilationRate is ${dilations}, which tfjs-layers ignores and Keras does not`)
    }
    const convolved = call.emit(
      {
        op,
        filter: filter!,
        bias: bias?.values ?? null,
        strides: pair(call.config.strides, 1),
        dilations,
        padding: padding(call),
        activation: 'linear',
      },
      call.inputs,
      call.outputShape,
    )
    return emitActivation(call, call.config.activation, convolved, 'activation')
  }

const separableConvolution: LayerConverter = call => {
  requireChannelsLast(call)
  const [depthwise, pointwise, bias] = call.weights
  const shape = [...call.outputShape.slice(0, 3), depthwise!.shape[2]! * depthwise!.shape[3]!]
  const spatial = call.emit(
    {
      op: 'depthwiseConv2d',
      filter: depthwise!,
      bias: null,
      strides: pair(call.config.strides, 1),
      dilations: pair(call.config.dilationRate, 1),
      padding: padding(call),
      activation: 'linear',
    },
    call.inputs,
    shape,
    'depthwise',
  )
  const mixed = call.emit(
    {
      op: 'conv2d',
      filter: pointwise!,
      bias: bias?.values ?? null,
      strides: [1, 1],
      dilations: [1, 1],
      padding: 'valid',
      activation: 'linear',
    },
    [spatial],
    call.outputShape,
  )
  return emitActivation(call, call.config.activation, mixed, 'activation')
}

const dense: LayerConverter = call => {
  if (call.outputShape.length !== 2)
    throw unsupported(call, `its output has rank ${call.outputShape.length}, allowed is 2`)
  const [kernel, bias] = call.weights
  const product = call.emit(
    { op: 'dense', kernel: kernel!, bias: bias?.values ?? null, activation: 'linear' },
    call.inputs,
    call.outputShape,
  )
  return emitActivation(call, call.config.activation, product, 'activation')
}

/** Inference batch norm in the form `x * scale + offset`, computed in double precision. */
const batchNormalization: LayerConverter = call => {
  const { axis, epsilon, scale: scaled, center } = call.config
  const rank = call.outputShape.length
  if (axis !== -1 && axis !== rank - 1) throw unsupported(call, `axis is ${axis}, allowed is the last one`)
  const weights = [...call.weights]
  const gamma = scaled === false ? undefined : weights.shift()!.values
  const beta = center === false ? undefined : weights.shift()!.values
  const [mean, variance] = weights.map(weight => weight.values)
  const scale = variance!.map((value, i) => (gamma?.[i] ?? 1) / Math.sqrt(value + (epsilon as number)))
  const offset = mean!.map((value, i) => {
    const exact = (gamma?.[i] ?? 1) / Math.sqrt(variance![i]! + (epsilon as number))
    return (beta?.[i] ?? 0) - value * exact
  })
  return call.emit({ op: 'affine', scale, offset }, call.inputs, call.outputShape)
}

const rescaling: LayerConverter = call => {
  const channels = channelsOf(call, call.outputShape)
  const { scale, offset } = call.config as { scale: number; offset: number }
  return call.emit(
    { op: 'affine', scale: new Float32Array(channels).fill(scale), offset: new Float32Array(channels).fill(offset) },
    call.inputs,
    call.outputShape,
  )
}

const relu: LayerConverter = call => {
  const { maxValue } = call.config
  if (maxValue == null) return emitActivation(call, 'relu', call.inputs[0]!)
  if (maxValue === 6) return emitActivation(call, 'relu6', call.inputs[0]!)
  return call.emit({ op: 'clip', min: 0, max: maxValue as number }, call.inputs, call.outputShape)
}

const leakyRelu: LayerConverter = call =>
  call.emit({ op: 'leakyRelu', alpha: call.config.alpha as number }, call.inputs, call.outputShape)

/** Keras merges any number of inputs; the graph knows two at a time. */
const merge =
  (fn: Extract<Operation, { op: 'binary' }>['fn']): LayerConverter =>
  call =>
    call.inputs.reduce((left, right, i) =>
      call.emit(
        { op: 'binary', fn },
        [left, right],
        call.outputShape,
        i < call.inputs.length - 1 ? `part${i}` : undefined,
      ),
    )

const average: LayerConverter = call => {
  const sum = call.inputs.reduce((left, right, i) =>
    call.emit({ op: 'binary', fn: 'add' }, [left, right], call.outputShape, `sum${i}`),
  )
  const channels = channelsOf(call, call.outputShape)
  return call.emit(
    {
      op: 'affine',
      scale: new Float32Array(channels).fill(1 / call.inputs.length),
      offset: new Float32Array(channels),
    },
    [sum],
    call.outputShape,
  )
}

const concatenate: LayerConverter = call => {
  const axis = call.config.axis as number
  const rank = call.outputShape.length
  return call.emit({ op: 'concat', axis: axis < 0 ? axis + rank : axis }, call.inputs, call.outputShape)
}

const upSampling: LayerConverter = call => {
  requireChannelsLast(call)
  const [, height, width] = call.outputShape
  if (height == null || width == null) {
    throw unsupported(call, 'the size of its output is not fixed; build the model with a fixed input size')
  }
  const method = call.config.interpolation === 'bilinear' ? 'bilinear' : 'nearest'
  return call.emit({ op: 'resize', method, size: [height, width] }, call.inputs, call.outputShape)
}

const zeroPadding: LayerConverter = call => {
  requireChannelsLast(call)
  const [rows, columns] = call.config.padding as [[number, number], [number, number]]
  return call.emit({ op: 'pad', rows, columns }, call.inputs, call.outputShape)
}

const cropping: LayerConverter = call => {
  requireChannelsLast(call)
  // tfjs subtracts from an open size as if it were 0.
  if (call.outputShape.slice(1).some(size => size == null || size < 1)) {
    throw unsupported(call, 'the size of its output is not fixed; build the model with a fixed input size')
  }
  const [[row], [column]] = call.config.cropping as [[number, number], [number, number]]
  return call.emit({ op: 'crop', row, column }, call.inputs, call.outputShape)
}

const pooling =
  (fn: 'average' | 'max'): LayerConverter =>
  call => {
    requireChannelsLast(call)
    const size = pair(call.config.poolSize, 2)
    const strides = call.config.strides == null ? size : pair(call.config.strides, 1)
    return call.emit({ op: 'pool', fn, size, strides, padding: padding(call) }, call.inputs, call.outputShape)
  }

const globalPooling =
  (fn: 'mean' | 'max'): LayerConverter =>
  call => {
    requireChannelsLast(call)
    return call.emit({ op: 'reduce', fn, axes: [1, 2], keepDims: false }, call.inputs, call.outputShape)
  }

const reshape: LayerConverter = call => {
  if (call.outputShape.slice(1).some(size => size == null)) throw unsupported(call, 'its output shape is not fixed')
  return call.emit({ op: 'reshape' }, call.inputs, call.outputShape)
}

/** Every layer class that can be exported. */
export const layerConverters: Readonly<Record<string, LayerConverter>> = {
  Activation: call => emitActivation(call, call.config.activation, call.inputs[0]!),
  Add: merge('add'),
  Average: average,
  AveragePooling2D: pooling('average'),
  BatchNormalization: batchNormalization,
  Concatenate: concatenate,
  Conv2D: convolution('conv2d'),
  Cropping2D: cropping,
  Dense: dense,
  DepthwiseConv2D: convolution('depthwiseConv2d'),
  Dropout: identity,
  ELU: call => {
    if (call.config.alpha !== 1) throw unsupported(call, `alpha is ${call.config.alpha}, allowed is 1`)
    return emitActivation(call, 'elu', call.inputs[0]!)
  },
  Flatten: reshape,
  GaussianDropout: identity,
  GaussianNoise: identity,
  GlobalAveragePooling2D: globalPooling('mean'),
  GlobalMaxPooling2D: globalPooling('max'),
  LeakyReLU: leakyRelu,
  Maximum: merge('maximum'),
  MaxPooling2D: pooling('max'),
  Minimum: merge('minimum'),
  Multiply: merge('multiply'),
  ReLU: relu,
  Rescaling: rescaling,
  Reshape: reshape,
  SeparableConv2D: separableConvolution,
  SpatialDropout1D: identity,
  UpSampling2D: upSampling,
  ZeroPadding2D: zeroPadding,
}
