import type { NodeOf, Padding } from '../graph.js'
import {
  conv2dOptions,
  depthwiseConv2dOptions,
  fullyConnectedOptions,
  padOptions,
  type TfliteActivation,
} from './schema.js'
import { fixedShape, type Tensor, type TfliteWriter } from './writer.js'

export type Convolution = NodeOf<'conv2d'> | NodeOf<'depthwiseConv2d'>

/** The zeros around an axis by TensorFlow's rule `same`. */
const sameZeros = (size: number, kernel: number, stride: number, dilation: number): [number, number] => {
  const total = Math.max((Math.ceil(size / stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
  return [total >> 1, total - (total >> 1)]
}

/** A rule that means these zeros for a convolution of `[?, height, width, ?]`, if there is one. */
const namedPadding = (node: Convolution, [, ...sides]: readonly number[]): 'same' | 'valid' | undefined => {
  const { padding, filter, strides, dilations } = node
  if (padding === 'same' || padding === 'valid') return padding
  const equals = (zeros: Padding) => String(zeros) === String(padding)
  const same = [0, 1].map(axis => sameZeros(sides[axis]!, filter.shape[axis]!, strides[axis]!, dilations[axis]!))
  if (equals(same as unknown as Padding)) return 'same'
  const none: Padding = [
    [0, 0],
    [0, 0],
  ]
  return equals(none) ? 'valid' : undefined
}

/** `[in, out]` to `[out, in]`, where either may stand for several axes. */
const transposed = (values: Float32Array, out: number): Float32Array => {
  const count = values.length / out
  return Float32Array.from({ length: values.length }, (_, i) => values[(i % count) * out + Math.floor(i / count)]!)
}

/** Zeros around a picture. */
export const writePadding = (
  writer: TfliteWriter,
  { name, inputs }: { name: string; inputs: readonly string[] },
  [rows, columns]: readonly [readonly [number, number], readonly [number, number]],
  output: Tensor,
): void => {
  const paddings = writer.int(`${name}/paddings`, [4, 2], [0, 0, ...rows, ...columns, 0, 0])
  writer.operator('PAD', [writer.of(inputs[0]!), paddings], output, padOptions)
}

/** A convolution or matrix product with the activation that the file can fuse; a sigmoid follows as an operation. */
const activated = (
  writer: TfliteWriter,
  { name, activation }: Convolution | NodeOf<'dense'>,
  output: Tensor,
  shape: readonly number[],
  write: (activation: TfliteActivation, output: Tensor) => void,
): void => {
  if (activation !== 'sigmoid') {
    write(activation, output)
    return
  }
  const line = writer.tensor(`${name}/line`, shape)
  write('linear', line)
  writer.operator('LOGISTIC', [line], output)
}

export const writeConvolution = (node: Convolution, writer: TfliteWriter, output: Tensor): void => {
  const { name, inputs, filter, strides, dilations } = node
  const [height, width, inChannels, outChannels] = filter.shape as [number, number, number, number]
  const shape = fixedShape(node)
  const inputShape = writer.shapeOf(inputs[0]!)
  let input = writer.of(inputs[0]!)
  let padding = namedPadding(node, inputShape)
  if (padding === undefined) {
    const [rows, columns] = node.padding as Exclude<Padding, string>
    const [batch, h, w, channels] = inputShape as [number, number, number, number]
    const wide = [batch, h + rows[0] + rows[1], w + columns[0] + columns[1], channels]
    const frame = writer.tensor(`${name}/padded`, wide)
    writePadding(writer, node, [rows, columns], frame)
    input = frame
    padding = 'valid'
  }
  const bias = writer.float(`${name}/bias`, [shape[3]!], node.bias ?? new Float32Array(shape[3]!))
  const weights =
    node.op === 'conv2d'
      ? writer.float(`${name}/filter`, [outChannels, height, width, inChannels], transposed(filter.values, outChannels))
      : writer.float(`${name}/filter`, [1, height, width, inChannels * outChannels], filter.values)
  activated(writer, node, output, shape, (activation, result) => {
    const options = { padding, strides, dilations, activation }
    if (node.op === 'conv2d') writer.operator('CONV_2D', [input, weights, bias], result, conv2dOptions(options))
    else {
      writer.operator('DEPTHWISE_CONV_2D', [input, weights, bias], result, depthwiseConv2dOptions(options, outChannels))
    }
  })
}

export const writeDense = (node: NodeOf<'dense'>, writer: TfliteWriter, output: Tensor): void => {
  const { name, inputs, kernel } = node
  const [inUnits, outUnits] = kernel.shape as [number, number]
  const weights = writer.float(`${name}/kernel`, [outUnits, inUnits], transposed(kernel.values, outUnits))
  const bias = writer.float(`${name}/bias`, [outUnits], node.bias ?? new Float32Array(outUnits))
  activated(writer, node, output, fixedShape(node), (activation, result) =>
    writer.operator(
      'FULLY_CONNECTED',
      [writer.of(inputs[0]!), weights, bias],
      result,
      fullyConnectedOptions(activation),
    ),
  )
}
