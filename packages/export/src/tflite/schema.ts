/**
 * The part of the TensorFlow Lite schema (`schema.fbs`, version 3) that an exported student needs: numbers of operations,
 * and their options as fields in the order of the schema's tables.
 */

/** `BuiltinOperator`, all below 127, the last that fits the older of its two fields. */
export const builtinOperators = {
  ADD: 0,
  AVERAGE_POOL_2D: 1,
  CONCATENATION: 2,
  CONV_2D: 3,
  DEPTHWISE_CONV_2D: 4,
  FULLY_CONNECTED: 9,
  LOGISTIC: 14,
  MAX_POOL_2D: 17,
  MUL: 18,
  RELU: 19,
  RELU6: 21,
  RESHAPE: 22,
  RESIZE_BILINEAR: 23,
  SOFTMAX: 25,
  TANH: 28,
  PAD: 34,
  MEAN: 40,
  EXP: 47,
  MAXIMUM: 55,
  MINIMUM: 57,
  NEG: 59,
  SLICE: 65,
  LOG: 73,
  REDUCE_MAX: 82,
  RESIZE_NEAREST_NEIGHBOR: 97,
  LEAKY_RELU: 98,
  ABS: 101,
  ELU: 111,
} as const

export type BuiltinOperator = keyof typeof builtinOperators

/** `ActivationFunctionType`: what an operation can apply to its result. */
const fusedActivations = { linear: 0, relu: 1, relu6: 3 } as const

export type TfliteActivation = keyof typeof fusedActivations

/** A scalar of an options table; one that equals its default is left out of the file. */
export interface Field {
  type: 'int8' | 'int32' | 'float32'
  value: number
  default: number
}

/** The options of an operation: which member of the union `BuiltinOptions`, and its fields from slot 0 on. */
export interface OperatorOptions {
  type: number
  fields: readonly Field[]
}

const byte = (value: number): Field => ({ type: 'int8', value, default: 0 })
const bool = (value: boolean): Field => byte(Number(value))
const int = (value: number, unless = 0): Field => ({ type: 'int32', value, default: unless })
const float = (value: number): Field => ({ type: 'float32', value, default: 0 })
const activationField = (activation: TfliteActivation): Field => byte(fusedActivations[activation])
const paddingField = (padding: 'same' | 'valid'): Field => byte(padding === 'same' ? 0 : 1)

interface Convolution {
  padding: 'same' | 'valid'
  strides: readonly [number, number]
  dilations: readonly [number, number]
  activation: TfliteActivation
}

export const conv2dOptions = ({ padding, strides, dilations, activation }: Convolution): OperatorOptions => ({
  type: 1,
  fields: [
    paddingField(padding),
    int(strides[1]),
    int(strides[0]),
    activationField(activation),
    int(dilations[1], 1),
    int(dilations[0], 1),
  ],
})

export const depthwiseConv2dOptions = (
  { padding, strides, dilations, activation }: Convolution,
  multiplier: number,
): OperatorOptions => ({
  type: 2,
  fields: [
    paddingField(padding),
    int(strides[1]),
    int(strides[0]),
    int(multiplier),
    activationField(activation),
    int(dilations[1], 1),
    int(dilations[0], 1),
  ],
})

interface Pooling {
  padding: 'same' | 'valid'
  strides: readonly [number, number]
  size: readonly [number, number]
}

export const pool2dOptions = ({ padding, strides, size }: Pooling): OperatorOptions => ({
  type: 5,
  fields: [paddingField(padding), int(strides[1]), int(strides[0]), int(size[1]), int(size[0])],
})

export const fullyConnectedOptions = (activation: TfliteActivation): OperatorOptions => ({
  type: 8,
  fields: [activationField(activation)],
})

export const softmaxOptions: OperatorOptions = { type: 9, fields: [float(1)] }

export const concatenationOptions = (axis: number): OperatorOptions => ({ type: 10, fields: [int(axis)] })

export const addOptions = (activation: TfliteActivation): OperatorOptions => ({
  type: 11,
  fields: [activationField(activation)],
})

export const mulOptions = (activation: TfliteActivation): OperatorOptions => ({
  type: 21,
  fields: [activationField(activation)],
})

/** Neither `align_corners` (slot 2, after two that are gone) nor `half_pixel_centers` is set: the schema's defaults. */
export const resizeBilinearOptions: OperatorOptions = { type: 15, fields: [] }

export const resizeNearestOptions: OperatorOptions = { type: 74, fields: [] }

export const reshapeOptions: OperatorOptions = { type: 17, fields: [] }

export const padOptions: OperatorOptions = { type: 22, fields: [] }

export const reducerOptions = (keepDims: boolean): OperatorOptions => ({ type: 27, fields: [bool(keepDims)] })

export const maximumMinimumOptions: OperatorOptions = { type: 39, fields: [] }

export const sliceOptions: OperatorOptions = { type: 48, fields: [] }

export const leakyReluOptions = (alpha: number): OperatorOptions => ({ type: 75, fields: [float(alpha)] })
