import * as tfl from '@tensorflow/tfjs-layers'
import { randomiseWeights } from './student.js'

type Tensor = tfl.SymbolicTensor
const { layers } = tfl
export const apply = (layer: tfl.layers.Layer, x: Tensor | Tensor[]) => layer.apply(x) as Tensor

/** Layers applied one after the other to `[N, 7, 6, 4]`. */
export const chain = (...stack: tfl.layers.Layer[]): tfl.LayersModel => {
  const inputs = tfl.input({ shape: [7, 6, 4] })
  const model = tfl.model({ inputs, outputs: stack.reduce((x, layer) => apply(layer, x), inputs as Tensor) })
  randomiseWeights(model, stack.map(layer => layer.getClassName()).join())
  return model
}

/** A layer that takes two inputs, on a picture and its convolution. */
export const merging = (layer: tfl.layers.Layer): tfl.LayersModel => {
  const inputs = tfl.input({ shape: [7, 6, 4] })
  const other = apply(layers.conv2d({ filters: 4, kernelSize: 1 }), inputs)
  const model = tfl.model({ inputs, outputs: apply(layer, [inputs, other]) })
  randomiseWeights(model, layer.getClassName())
  return model
}

export const conv = (options: object = {}) => layers.conv2d({ filters: 5, kernelSize: 3, ...options })
export const depthwise = (options: object = {}) => layers.depthwiseConv2d({ kernelSize: 3, ...options })
export const batchNorm = (options: object = {}) => layers.batchNormalization(options)
const activations = ['relu', 'relu6', 'sigmoid', 'tanh', 'elu', 'selu', 'softplus', 'softmax', 'hardSigmoid', 'swish']

/** A decoder stage as UNets have it, large enough for its concatenation to be taken apart. */
export const decoderStage = (activation: 'relu6' | 'linear'): tfl.LayersModel => {
  const inputs = tfl.input({ shape: [64, 64, 3] })
  const skips = [2, 4].map(filters => apply(layers.conv2d({ filters, kernelSize: 1 }), inputs))
  const joined = apply(layers.concatenate(), [inputs, ...skips])
  const spatial = apply(layers.reLU(), apply(batchNorm(), apply(depthwise({ padding: 'same', strides: 1 }), joined)))
  const outputs = apply(layers.activation({ activation }), apply(conv({ kernelSize: 1 }), spatial))
  const model = tfl.model({ inputs, outputs })
  randomiseWeights(model, 'decoder stage')
  return model
}

/** A picture and its blur, blended by a mask of one channel and its complement. */
export const masked = (): tfl.LayersModel => {
  const inputs = tfl.input({ shape: [7, 6, 3] })
  const blur = apply(depthwise({ padding: 'same' }), inputs)
  const mask = apply(layers.leakyReLU(), apply(conv({ filters: 1, padding: 'same', activation: 'sigmoid' }), inputs))
  const rest = apply(layers.rescaling({ scale: -1, offset: 1 }), mask)
  const products = [apply(layers.multiply(), [inputs, rest]), apply(layers.multiply(), [mask, blur])]
  const model = tfl.model({ inputs, outputs: apply(layers.add(), products) })
  randomiseWeights(model, 'masked')
  return model
}

/** A mask of half the picture's size, rounded up, brought to the whole. */
export const croppedMask = (): tfl.LayersModel => {
  const inputs = tfl.input({ shape: [7, 6, 3] })
  const half = apply(conv({ filters: 1, padding: 'same', strides: 2, activation: 'sigmoid' }), inputs)
  const up = apply(layers.upSampling2d({ size: [2, 2], interpolation: 'bilinear' }), half)
  const mask = apply(
    layers.cropping2D({
      cropping: [
        [0, 1],
        [0, 0],
      ],
    }),
    up,
  )
  const model = tfl.model({ inputs, outputs: apply(layers.multiply(), [inputs, mask]) })
  randomiseWeights(model, 'cropped mask')
  return model
}

/** A mask that is an output too, and so keeps its one channel. */
const shownMask = (): tfl.LayersModel => {
  const inputs = tfl.input({ shape: [7, 6, 3] })
  const mask = apply(conv({ filters: 1, padding: 'same', activation: 'sigmoid' }), inputs)
  const model = tfl.model({ inputs, outputs: [apply(layers.multiply(), [inputs, mask]), mask] })
  randomiseWeights(model, 'shown mask')
  return model
}

/** Paint and alpha as students have them, blended with the picture; large enough to become one convolution. */
export const heads = (activation: 'sigmoid' | 'hardSigmoid', width = 64): tfl.LayersModel => {
  const inputs = tfl.input({ shape: [64, width, 3] })
  const head = (filters: number) => apply(conv({ filters, padding: 'same', activation }), inputs)
  const [paint, alpha] = [head(3), head(1)]
  const rest = apply(layers.rescaling({ scale: -1, offset: 1 }), alpha)
  const products = [apply(layers.multiply(), [inputs, rest]), apply(layers.multiply(), [paint, alpha])]
  const model = tfl.model({ inputs, outputs: apply(layers.add(), products) })
  randomiseWeights(model, 'heads')
  return model
}

/** Paint and alpha beside each other, alpha scaled by a number for the whole picture. */
export const matte = (activation: 'sigmoid' | 'hardSigmoid', resize = false): tfl.LayersModel => {
  const inputs = tfl.input({ shape: [64, 64, 3] })
  const strength = tfl.input({ shape: [1, 1, 1] })
  const head = (filters: number) => {
    const painted = apply(conv({ filters, padding: 'same', activation }), inputs)
    return resize ? apply(layers.upSampling2d({ interpolation: 'bilinear' }), painted) : painted
  }
  const gated = apply(layers.multiply(), [strength, head(1)])
  const model = tfl.model({ inputs: [inputs, strength], outputs: apply(layers.concatenate(), [head(3), gated]) })
  randomiseWeights(model, 'matte')
  return model
}

/** A convolution of a picture large enough for neighbours to be computed together. */
export const large = (options: object, size: [number, number] = [64, 64]): tfl.LayersModel => {
  const inputs = tfl.input({ shape: [...size, 3] })
  const model = tfl.model({ inputs, outputs: apply(conv({ activation: 'sigmoid', ...options }), inputs) })
  randomiseWeights(model, 'large')
  return model
}

export const models: [string, () => tfl.LayersModel][] = [
  ['conv, valid', () => chain(conv())],
  ['conv, same, stride 2', () => chain(conv({ padding: 'same', strides: 2 }))],
  [
    'conv, 5x1 kernel, dilated',
    () => chain(conv({ kernelSize: [5, 1], dilationRate: 1 }), conv({ kernelSize: 2, dilationRate: 2 })),
  ],
  ['conv without bias, batch norm', () => chain(conv({ useBias: false }), batchNorm())],
  ['conv with bias, batch norm without scale', () => chain(conv(), batchNorm({ scale: false }))],
  ['conv, batch norm without centre', () => chain(conv(), batchNorm({ center: false, epsilon: 0.1 }))],
  ['conv with activation, batch norm', () => chain(conv({ activation: 'relu' }), batchNorm())],
  ['batch norm, conv (cannot fold)', () => chain(batchNorm(), layers.reLU(), conv({ padding: 'same' }))],
  ['two batch norms', () => chain(conv(), batchNorm(), batchNorm(), layers.reLU({ maxValue: 6 }))],
  ['depthwise, batch norm, relu6', () => chain(depthwise(), batchNorm(), layers.reLU({ maxValue: 6 }))],
  ['depthwise with multiplier 3, batch norm', () => chain(depthwise({ depthMultiplier: 3 }), batchNorm())],
  ['separable conv, batch norm', () => chain(layers.separableConv2d({ filters: 5, kernelSize: 3 }), batchNorm())],
  [
    'padding and conv',
    () =>
      chain(
        layers.zeroPadding2d({
          padding: [
            [0, 1],
            [2, 3],
          ],
        }),
        conv({ strides: 2 }),
      ),
  ],
  ['padding and depthwise', () => chain(layers.zeroPadding2d({ padding: 1 }), depthwise({ strides: 2 }))],
  ['padding alone', () => chain(layers.zeroPadding2d({ padding: [1, 2] }))],
  [
    'cropping',
    () =>
      chain(
        layers.cropping2D({
          cropping: [
            [1, 2],
            [0, 3],
          ],
        }),
        conv({ kernelSize: 2 }),
      ),
  ],
  ['cropping of all sides', () => chain(conv(), layers.cropping2D({ cropping: 1 }), batchNorm(), layers.reLU())],
  ['a mask, cropped', croppedMask],
  ['bilinear upsampling', () => chain(layers.upSampling2d({ size: [2, 3], interpolation: 'bilinear' }))],
  ['nearest upsampling', () => chain(layers.upSampling2d({ size: [3, 2], interpolation: 'nearest' }))],
  ['average pooling', () => chain(layers.averagePooling2d({ poolSize: 2, padding: 'same' }))],
  ['max pooling', () => chain(layers.maxPooling2d({ poolSize: [3, 2], strides: [1, 2] }))],
  [
    'global average pooling, dense',
    () => chain(layers.globalAveragePooling2d({}), layers.dense({ units: 9, activation: 'relu' })),
  ],
  [
    'global max pooling, dense, batch norm',
    () => chain(layers.globalMaxPooling2d({}), layers.dense({ units: 9 }), batchNorm()),
  ],
  ['batch norm of a vector', () => chain(layers.flatten(), layers.reLU(), batchNorm())],
  ['reshape, permuting nothing', () => chain(layers.reshape({ targetShape: [14, 12] }))],
  ['dropout and noise', () => chain(layers.dropout({ rate: 0.9 }), layers.gaussianNoise({ stddev: 9 }), conv())],
  ['relu up to 1', () => chain(conv(), layers.reLU({ maxValue: 1 }))],
  ['leaky relu', () => chain(conv(), layers.leakyReLU({ alpha: 0.2 }))],
  ['elu', () => chain(conv(), layers.elu())],
  ['rescaling, conv', () => chain(layers.rescaling({ scale: 2, offset: -1 }), conv({ padding: 'same' }))],
  ...activations.map((activation): [string, () => tfl.LayersModel] => [
    `activation ${activation}`,
    () =>
      chain(
        conv({ activation: activation as never }),
        batchNorm(),
        layers.activation({ activation: activation as never }),
      ),
  ]),
  ['add', () => merging(layers.add())],
  ['average', () => merging(layers.average())],
  ['multiply', () => merging(layers.multiply())],
  ['maximum', () => merging(layers.maximum())],
  ['minimum', () => merging(layers.minimum())],
  ['concatenate', () => merging(layers.concatenate())],
  ['concatenate rows', () => merging(layers.concatenate({ axis: 1 }))],
  ['a decoder stage', () => decoderStage('relu6')],
  ['a decoder stage without activation', () => decoderStage('linear')],
  ['a mask', masked],
  ['a mask that is an output', shownMask],
  ['two heads', () => heads('sigmoid')],
  ['two hard heads of an odd width', () => heads('hardSigmoid', 67)],
  ['a matte', () => matte('sigmoid')],
  ['a hard matte of half the size', () => matte('hardSigmoid', true)],
  ['a large convolution to 1 channel', () => large({ filters: 1, kernelSize: [1, 5], padding: 'same' })],
  ['a large convolution to 2 channels', () => large({ filters: 2, kernelSize: 4, padding: 'same', useBias: false })],
  ['a large convolution to 3 channels', () => large({ filters: 3, kernelSize: 2, padding: 'same' })],
  ['a large convolution without padding', () => large({ filters: 4 }, [66, 68])],
  ['a large convolution to a third of the lanes', () => large({ filters: 2, padding: 'same' }, [64, 69])],
]

/** Two inputs, two outputs, a layer used twice, a model inside the model and a result that is read twice. */
export const tangled = (): tfl.LayersModel => {
  const inner = tfl.sequential({
    layers: [layers.conv2d({ inputShape: [6, 6, 4], filters: 4, kernelSize: 1 }), batchNorm()],
  })
  const a = tfl.input({ shape: [6, 6, 4], name: 'picture' })
  const b = tfl.input({ shape: [4], name: 'style' })
  const shared = layers.conv2d({ filters: 4, kernelSize: 1, name: 'shared' })
  const once = apply(shared, a)
  const twice = apply(shared, once)
  const normal = apply(batchNorm(), twice)
  const nested = inner.apply(layers.reLU().apply(normal)) as Tensor
  const gain = apply(layers.reshape({ targetShape: [1, 1, 4] }), apply(layers.dense({ units: 4 }), b))
  const first = apply(layers.multiply(), [nested, gain])
  const second = apply(layers.add(), [apply(layers.reLU(), twice), first])
  const model = tfl.model({ inputs: [a, b], outputs: [second, twice] })
  randomiseWeights(model, 'tangled')
  return model
}
