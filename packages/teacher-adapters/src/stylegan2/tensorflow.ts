import * as tf from '@tensorflow/tfjs-core'
import type { Store } from '../network/store.js'
import { recording } from './recording.js'

export interface Attribute {
  name: string
  type: number
  value: number | boolean | string | readonly number[]
}
type Attributes = readonly Attribute[]

/** What is used of tfjs-node's NodeJSKernelBackend (the package is not imported here). */
export interface NodeBackend {
  binding: Record<
    'TF_ATTR_BOOL' | 'TF_ATTR_FLOAT' | 'TF_ATTR_INT' | 'TF_ATTR_STRING' | 'TF_ATTR_TYPE' | 'TF_FLOAT' | 'TF_INT32',
    number
  > & {
    loadSavedModel(folder: string, tag: string): number
    runSavedModel(id: number, inputs: readonly number[], names: string, outputs: string): object[]
    deleteSavedModel(id: number): void
  }
  getInputTensorIds(tensors: readonly tf.Tensor[]): number[]
  createOutputTensor(metadata: object): tf.Tensor
  executeSingleOutput(name: string, attributes: Attributes, inputs: readonly tf.TensorInfo[]): tf.Tensor
  executeMultipleOutputs(
    name: string,
    attributes: Attributes,
    inputs: readonly tf.TensorInfo[],
    outputs: number,
  ): tf.Tensor[]
}

/** Attributes as TensorFlow names them; https://www.tensorflow.org/api_docs/python/tf/raw_ops lists them by operation. */
const attributesOf = ({ binding }: NodeBackend) => {
  const typed = (type: number) => (name: string, value: Attribute['value']) => ({ name, type, value })
  const bool = typed(binding.TF_ATTR_BOOL)
  const int = typed(binding.TF_ATTR_INT)
  const text = typed(binding.TF_ATTR_STRING)
  const float = typed(binding.TF_ATTR_FLOAT)
  const type = typed(binding.TF_ATTR_TYPE)
  const floats = type('T', binding.TF_FLOAT)
  const window = (stride: number, padding: string): Attributes => [
    floats,
    int('strides', [1, stride, stride, 1]),
    int('dilations', [1, 1, 1, 1]),
    text('data_format', 'NHWC'),
    text('padding', padding),
  ]
  const integers = (name: string): Attribute => type(name, binding.TF_INT32)
  return {
    plain: [floats],
    rowProduct: [floats, bool('transpose_a', false), bool('transpose_b', false)],
    turnedProduct: [floats, bool('adj_x', false), bool('adj_y', true)],
    bias: [floats, text('data_format', 'NHWC')],
    mean: [floats, bool('keep_dims', true), integers('Tidx')],
    reshape: [floats, integers('Tshape')],
    split: (count: number): Attributes => [floats, int('num_split', count), integers('Tlen')],
    concat: (count: number): Attributes => [floats, int('N', count), integers('Tidx')],
    leakyRelu: [floats, float('alpha', 0.2)],
    same: window(1, 'SAME'),
    doubling: window(2, 'VALID'),
    margin: [...window(1, 'EXPLICIT'), int('explicit_paddings', [0, 0, 1, 1, 1, 1, 0, 0])],
    bilinear: [floats, bool('align_corners', false), bool('half_pixel_centers', true)],
  } satisfies Record<string, Attributes | ((count: number) => Attributes)>
}

/** Sees each operation when it has run. */
type Watch = (name: string, attributes: Attributes, inputs: readonly tf.Tensor[], outputs: readonly tf.Tensor[]) => void

let watch: Watch | undefined

/** Computes, and shows `see` every operation on the way. */
export const watchOperations = <T>(see: Watch, compute: () => T): T => {
  watch = see
  try {
    return compute()
  } finally {
    watch = undefined
  }
}

const operationsOf = (backend: NodeBackend, store: Store) => {
  const attributes = attributesOf(backend)
  const run = <T extends tf.Tensor>(name: string, attributes: Attributes, ...inputs: tf.Tensor[]): T => {
    const output = backend.executeSingleOutput(name, attributes, inputs) as T
    watch?.(name, attributes, inputs, [output])
    return output
  }
  const integers = (values: readonly number[]): tf.Tensor1D =>
    store.constant(`integers ${values}`, () => tf.tensor1d([...values], 'int32'))
  const axes = (axis: number): tf.Scalar => store.constant(`axis ${axis}`, () => tf.scalar(axis, 'int32'))
  const number = (value: number): tf.Scalar => store.constant(`number ${value}`, () => tf.scalar(value))
  const split = <T extends tf.Tensor>(x: T, sizes: readonly number[], axis: number): T[] => {
    const inputs = [x, integers(sizes), axes(axis)]
    const splitting = attributes.split(sizes.length)
    const outputs = backend.executeMultipleOutputs('SplitV', splitting, inputs, sizes.length) as T[]
    watch?.('SplitV', splitting, inputs, outputs)
    return outputs
  }
  const concat = <T extends tf.Tensor>(parts: readonly T[], axis: number): T =>
    parts.length === 1 ? parts[0]! : run('ConcatV2', attributes.concat(parts.length), ...parts, axes(axis))
  /**
   * Row by row, so that no row depends on how many there are. MatMul starts in a seventh of the time of the
   * BatchMatMulV2 of `tf.matMul`, but with several rows TensorFlow 2.21's writes to wrong places when a signal, as of
   * `node --cpu-prof`, interrupts it.
   */
  const matMul = (a: tf.Tensor2D, b: tf.Tensor2D): tf.Tensor2D => {
    const product = (row: tf.Tensor2D): tf.Tensor2D => run('MatMul', attributes.rowProduct, row, b)
    const rows = a.shape[0]
    return rows === 1 ? product(a) : concat(split(a, Array<number>(rows).fill(1), 0).map(product), 0)
  }
  const tensorOf = (x: tf.Tensor | number): tf.Tensor => (typeof x === 'number' ? tf.scalar(x) : x)

  return {
    add: <T extends tf.Tensor>(a: tf.Tensor, b: tf.Tensor | number): T =>
      run('AddV2', attributes.plain, a, tensorOf(b)),
    mul: <T extends tf.Tensor>(a: tf.Tensor, b: tf.Tensor | number): T => run('Mul', attributes.plain, a, tensorOf(b)),
    square: <T extends tf.Tensor>(x: T): T => run('Square', attributes.plain, x),
    rsqrt: <T extends tf.Tensor>(x: T): T => run('Rsqrt', attributes.plain, x),
    rowMeans: (x: tf.Tensor2D): tf.Tensor2D => run('Mean', attributes.mean, x, integers([1])),
    matMul,
    /** `[..., M, K]` and `[..., N, K]` to `[..., M, N]`. */
    turnedProduct: <T extends tf.Tensor>(a: T, b: T): T => run('BatchMatMulV2', attributes.turnedProduct, a, b),
    /** `[..., C]` and `[C]`; takes two thirds of the time of `add` where C is 3. */
    addBias: <T extends tf.Tensor>(x: T, bias: tf.Tensor1D): T => run('BiasAdd', attributes.bias, x, bias),
    reshape: <T extends tf.Tensor>(x: tf.Tensor, shape: readonly number[]): T =>
      run('Reshape', attributes.reshape, x, integers(shape)),
    split,
    concat,
    /** Slope 0.2. */
    leakyRelu: <T extends tf.Tensor>(x: T): T => run('LeakyRelu', attributes.leakyRelu, x),
    clip: <T extends tf.Tensor>(x: T, limit: number): T =>
      run('ClipByValue', attributes.plain, x, number(-limit), number(limit)),
    /** Stride 1, same size. */
    conv2d: (x: tf.Tensor4D, filter: tf.Tensor4D): tf.Tensor4D => run('Conv2D', attributes.same, x, filter),
    /** Stride 2: twice the size and one. `filter` is `[3, 3, out, in]`. */
    conv2dTranspose: (x: tf.Tensor4D, filter: tf.Tensor4D): tf.Tensor4D => {
      const [n, height, width] = x.shape
      const shape = integers([n, 2 * height + 1, 2 * width + 1, filter.shape[2]])
      return run('Conv2DBackpropInput', attributes.doubling, shape, filter, x)
    },
    /** With a margin of one pixel of zeros. */
    depthwise: (x: tf.Tensor4D, filter: tf.Tensor4D): tf.Tensor4D =>
      run('DepthwiseConv2dNative', attributes.margin, x, filter),
    /** With pixels as areas: every second pixel centre lies a quarter beside one of x. */
    resizeBilinear: (x: tf.Tensor4D, height: number, width: number): tf.Tensor4D =>
      run('ResizeBilinear', attributes.bilinear, x, integers([height, width])),
  }
}

/** Operations of TensorFlow on float tensors, as far as a generator needs them. */
export type TensorflowOperations = ReturnType<typeof operationsOf>

const known = new WeakMap<Store, { backend: NodeBackend; operations: TensorflowOperations }>()

/**
 * TensorFlow's operations without tfjs in between: through tfjs an operation takes 20 to 40 microseconds to start, here
 * less than 10. The tensors are tfjs's own, so `tf.tidy` frees them. Undefined on other backends than tfjs-node and while
 * a tape records, which would not see them.
 *
 * @param store keeps sizes and axes, which TensorFlow takes as tensors.
 */
export const tensorflow = (store: Store): TensorflowOperations | undefined => bindingOf(store)?.operations

/** The backend with its operations, where `tensorflow` has them. */
export const bindingOf = (store: Store): { backend: NodeBackend; operations: TensorflowOperations } | undefined => {
  if (tf.getBackend() !== 'tensorflow' || recording()) return undefined
  const backend = tf.backend() as unknown as NodeBackend
  let bound = known.get(store)
  if (bound?.backend !== backend) {
    bound = { backend, operations: operationsOf(backend, store) }
    known.set(store, bound)
  }
  return bound
}
