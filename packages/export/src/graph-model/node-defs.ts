import type { Constant, GraphNode, Padding, Shape } from '../graph.js'

/** A node of a TensorFlow GraphDef, in the JSON form that tfjs-converter reads. */
export interface NodeDef {
  name: string
  op: string
  input?: string[]
  attr: Record<string, unknown>
}

/** What the writer of one node may ask for: constants, by name, in the weights file. */
export interface Constants {
  float(name: string, constant: Constant): string
  int(name: string, values: readonly number[], shape?: readonly number[]): string
}

const base64 = (text: string): string => btoa(text)

const floatType = { type: 'DT_FLOAT' }
const ints = (values: readonly number[]) => ({ list: { i: values.map(String) } })
const string = (text: string) => ({ s: base64(text) })
const strings = (texts: readonly string[]) => ({ list: { s: texts.map(base64) } })
const bool = (b: boolean) => ({ b })
const nhwc = string('NHWC')

/** A shape as GraphDef has it: -1 where the size is open. */
export const tensorShape = (shape: Shape) => ({ dim: shape.map(size => ({ size: String(size ?? -1) })) })

const paddingAttributes = (padding: Padding): Record<string, unknown> => {
  if (padding === 'same' || padding === 'valid') return { padding: string(padding.toUpperCase()) }
  const [[top, bottom], [left, right]] = padding
  return { padding: string('EXPLICIT'), explicit_paddings: ints([0, 0, top, bottom, left, right, 0, 0]) }
}

const activationNames = { linear: undefined, relu: 'Relu', relu6: 'Relu6', sigmoid: 'Sigmoid' } as const

/** The attributes and extra input of TensorFlow's fused operations: bias, then activation. */
const fusion = (
  { name, bias, activation }: { name: string; bias: Float32Array | null; activation: keyof typeof activationNames },
  channels: number,
  constants: Constants,
) => {
  const values = bias ?? new Float32Array(channels)
  const fused = activationNames[activation]
  return {
    input: constants.float(`${name}/bias`, { shape: [channels], values }),
    attr: {
      T: floatType,
      num_args: { i: '1' },
      fused_ops: strings(['BiasAdd', ...(fused === undefined ? [] : [fused])]),
      epsilon: { f: 0 },
    },
  }
}

const unaryOps = {
  relu: 'Relu',
  relu6: 'Relu6',
  sigmoid: 'Sigmoid',
  tanh: 'Tanh',
  elu: 'Elu',
  selu: 'Selu',
  softplus: 'Softplus',
  softmax: 'Softmax',
} as const

const binaryOps = { add: 'AddV2', multiply: 'Mul', maximum: 'Maximum', minimum: 'Minimum' } as const

/** The GraphDef nodes (constants aside) of one graph node; the last one, or a constant, carries the node's name. */
export const nodeDefs = (node: GraphNode, constants: Constants): NodeDef[] => {
  const { name } = node
  const input = [...node.inputs]
  const def = (op: string, inputs: string[], attr: Record<string, unknown> = {}): NodeDef[] => [
    { name, op, input: inputs, attr: { T: floatType, ...attr } },
  ]
  switch (node.op) {
    case 'input':
      return [{ name, op: 'Placeholder', attr: { dtype: floatType, shape: { shape: tensorShape(node.shape) } } }]
    case 'constant':
      constants.float(name, { shape: node.shape as number[], values: node.values })
      return []
    case 'identity':
      return def('Identity', input)
    case 'conv2d':
    case 'depthwiseConv2d': {
      const channels = node.shape.at(-1)!
      const { input: bias, attr } = fusion(node, channels, constants)
      const filter = constants.float(`${name}/filter`, node.filter)
      return def(node.op === 'conv2d' ? '_FusedConv2D' : 'FusedDepthwiseConv2dNative', [...input, filter, bias], {
        ...attr,
        strides: ints([1, ...node.strides, 1]),
        dilations: ints([1, ...node.dilations, 1]),
        data_format: nhwc,
        ...paddingAttributes(node.padding),
      })
    }
    case 'dense': {
      const { input: bias, attr } = fusion(node, node.shape.at(-1)!, constants)
      const kernel = constants.float(`${name}/kernel`, node.kernel)
      return def('_FusedMatMul', [...input, kernel, bias], {
        ...attr,
        transpose_a: bool(false),
        transpose_b: bool(false),
      })
    }
    case 'affine': {
      const shape = [node.scale.length]
      const scale = constants.float(`${name}/scale`, { shape, values: node.scale })
      const offset = constants.float(`${name}/offset`, { shape, values: node.offset })
      const scaled = `${name}/scaled`
      return [
        { name: scaled, op: 'Mul', input: [...input, scale], attr: { T: floatType } },
        ...def('AddV2', [scaled, offset]),
      ]
    }
    case 'unary':
      return def(unaryOps[node.fn], input)
    case 'leakyRelu':
      return def('LeakyRelu', input, { alpha: { f: node.alpha } })
    case 'clip': {
      const min = constants.float(`${name}/min`, { shape: [], values: Float32Array.of(node.min) })
      const max = constants.float(`${name}/max`, { shape: [], values: Float32Array.of(node.max) })
      return def('ClipByValue', [...input, min, max])
    }
    case 'binary':
      return def(binaryOps[node.fn], input)
    case 'concat':
      return def('ConcatV2', [...input, constants.int(`${name}/axis`, [node.axis], [])], {
        N: { i: String(input.length) },
      })
    case 'resize':
      return def(
        node.method === 'bilinear' ? 'ResizeBilinear' : 'ResizeNearestNeighbor',
        [...input, constants.int(`${name}/size`, node.size)],
        { align_corners: bool(false), half_pixel_centers: bool(false) },
      )
    case 'pad':
      return def('Pad', [
        ...input,
        constants.int(`${name}/paddings`, [0, 0, ...node.rows, ...node.columns, 0, 0], [4, 2]),
      ])
    case 'crop': {
      const [, height, width] = node.shape as [null, number, number]
      return def('Slice', [
        ...input,
        constants.int(`${name}/begin`, [0, node.row, node.column, 0]),
        // -1: all that there are, of images and of channels.
        constants.int(`${name}/size`, [-1, height, width, -1]),
      ])
    }
    case 'pool':
      return def(node.fn === 'average' ? 'AvgPool' : 'MaxPool', input, {
        ksize: ints([1, ...node.size, 1]),
        strides: ints([1, ...node.strides, 1]),
        padding: string(node.padding.toUpperCase()),
        data_format: nhwc,
      })
    case 'reduce':
      return def(node.fn === 'mean' ? 'Mean' : 'Max', [...input, constants.int(`${name}/axes`, node.axes)], {
        keep_dims: bool(node.keepDims),
      })
    case 'reshape':
      return def('Reshape', [
        ...input,
        constants.int(
          `${name}/shape`,
          node.shape.map(size => size ?? -1),
        ),
      ])
  }
}
