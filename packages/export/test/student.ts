import { seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import * as tfl from '@tensorflow/tfjs-layers'

type Tensor = tfl.SymbolicTensor

export interface TestStudentOptions {
  size: number
  width: number
  upsampling: 'bilinear' | 'nearest'
  head: 'direct' | 'residual' | 'hard'
  /** Keras's way of a strided convolution: a padding layer and an unpadded convolution. */
  padding: 'same' | 'explicit'
}

/** A small MobileNetV2 UNet of standard layers, in the shape of the student that ships. */
export const testStudent = (options: Partial<TestStudentOptions> = {}): tfl.LayersModel => {
  const { size = 32, width = 1, upsampling = 'bilinear', head = 'direct', padding = 'same' } = options
  const channels = (n: number) => Math.max(4, Math.round((n * width) / 4) * 4)
  const apply = (layer: tfl.layers.Layer, x: Tensor | Tensor[]) => layer.apply(x) as Tensor
  const normal = (x: Tensor) => apply(tfl.layers.batchNormalization(), x)
  const relu6 = (x: Tensor) => apply(tfl.layers.reLU({ maxValue: 6 }), x)
  const conv = (x: Tensor, filters: number, kernelSize = 1, strides = 1) =>
    normal(apply(tfl.layers.conv2d({ filters, kernelSize, strides, padding: 'same', useBias: false }), x))
  const depthwise = (x: Tensor, strides: number) => {
    const explicit = padding === 'explicit' && strides === 2
    const padded = explicit
      ? apply(
          tfl.layers.zeroPadding2d({
            padding: [
              [0, 1],
              [0, 1],
            ],
          }),
          x,
        )
      : x
    const layer = tfl.layers.depthwiseConv2d({
      kernelSize: 3,
      strides,
      padding: explicit ? 'valid' : 'same',
      useBias: false,
    })
    return normal(apply(layer, padded))
  }
  const invertedResidual = (x: Tensor, out: number, strides: number, expansion: number) => {
    const inside = relu6(conv(x, x.shape[3]! * expansion))
    const result = conv(relu6(depthwise(inside, strides)), out)
    return strides === 1 && x.shape[3] === out ? apply(tfl.layers.add(), [x, result]) : result
  }
  const decode = (x: Tensor, skip: Tensor, out: number) => {
    const up = apply(tfl.layers.upSampling2d({ size: [2, 2], interpolation: upsampling }), x)
    const joined = apply(tfl.layers.concatenate(), [up, skip])
    return invertedResidual(relu6(conv(relu6(depthwise(joined, 1)), out)), out, 1, 2)
  }

  const input = tfl.input({ shape: [size, size, 3], name: 'image' })
  const half = relu6(conv(input, channels(16), 3, 2))
  const quarter = invertedResidual(half, channels(24), 2, 2)
  const deep = invertedResidual(invertedResidual(quarter, channels(32), 2, 2), channels(32), 1, 2)
  const dropped = apply(tfl.layers.dropout({ rate: 0.2 }), deep)
  const decoded = decode(decode(decode(dropped, quarter, channels(24)), half, channels(16)), input, channels(16))
  const last = (activation: 'sigmoid' | 'tanh' | 'hardSigmoid') =>
    apply(tfl.layers.conv2d({ filters: 3, kernelSize: 3, padding: 'same', activation }), decoded)
  const output =
    head === 'direct'
      ? last('sigmoid')
      : head === 'hard'
        ? last('hardSigmoid')
        : apply(tfl.layers.reLU({ maxValue: 1 }), apply(tfl.layers.add(), [input, last('tanh')]))
  const model = tfl.model({ inputs: input, outputs: output })
  randomiseWeights(model, 'test student')
  return model
}

/**
 * Gives every weight that is trained a seeded value, batch norm's four vectors included: with their initial values (0 and 1) folding
 * would be the identity and a test of it would prove nothing. The gains are mild: a random network
 * with larger ones is chaotic and amplifies rounding until even the same model on two backends differs by 1e-3.
 */
export const randomiseWeights = (model: tfl.LayersModel, seed: string): void => {
  for (const [index, layer] of model.layers.entries()) {
    // Such as the scaling of an effect's parameters.
    if (!layer.trainable) continue
    const random = seededRandom(seed, index)
    const values = layer.getWeights().map((weight, i) => {
      const name = layer.weights[i]!.originalName
      const fan = weight.size / weight.shape.at(name.includes('depthwise') ? -2 : -1)!
      const draw = name.includes('kernel')
        ? () => random.normal() * Math.sqrt(1.2 / fan)
        : name.includes('gamma')
          ? () => 0.8 + 0.6 * random.uniform()
          : name.includes('variance')
            ? () => 0.5 + random.uniform()
            : () => 0.3 * random.normal()
      return tf.tensor(Float32Array.from({ length: weight.size }, draw), weight.shape)
    })
    layer.setWeights(values)
    tf.dispose(values)
  }
}

/** Seeded values in [0, 1). */
export const randomInput = (shape: number[], seed = 'input'): tf.Tensor => {
  const random = seededRandom(seed, ...shape)
  return tf.tensor(Float32Array.from({ length: tf.util.sizeFromShape(shape) }, random.uniform), shape)
}
