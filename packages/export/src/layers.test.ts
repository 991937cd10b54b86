import * as tfc from '@tensorflow/tfjs-converter'
import * as tf from '@tensorflow/tfjs-core'
import * as tfl from '@tensorflow/tfjs-layers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { engines, useBackend } from '../test/backends.js'
import { compareWithExport } from '../test/difference.js'
import { randomiseWeights } from '../test/student.js'
import { exportGraphModel, importLayersModel, optimize } from './index.js'

type Tensor = tfl.SymbolicTensor
const { layers } = tfl
const apply = (layer: tfl.layers.Layer, x: Tensor | Tensor[]) => layer.apply(x) as Tensor

/** Layers applied one after the other to `[N, 7, 6, 4]`. */
const chain = (...stack: tfl.layers.Layer[]): tfl.LayersModel => {
  const inputs = tfl.input({ shape: [7, 6, 4] })
  const model = tfl.model({ inputs, outputs: stack.reduce((x, layer) => apply(layer, x), inputs as Tensor) })
  randomiseWeights(model, stack.map(layer => layer.getClassName()).join())
  return model
}

/** A layer that takes two inputs, on a picture and its convolution. */
const merging = (layer: tfl.layers.Layer): tfl.LayersModel => {
  const inputs = tfl.input({ shape: [7, 6, 4] })
  const other = apply(layers.conv2d({ filters: 4, kernelSize: 1 }), inputs)
  const model = tfl.model({ inputs, outputs: apply(layer, [inputs, other]) })
  randomiseWeights(model, layer.getClassName())
  return model
}

const conv = (options: object = {}) => layers.conv2d({ filters: 5, kernelSize: 3, ...options })
const depthwise = (options: object = {}) => layers.depthwiseConv2d({ kernelSize: 3, ...options })
const batchNorm = (options: object = {}) => layers.batchNormalization(options)
const activations = ['relu', 'relu6', 'sigmoid', 'tanh', 'elu', 'selu', 'softplus', 'softmax', 'hardSigmoid', 'swish']

/** A decoder stage as UNets have it, large enough for its concatenation to be taken apart. */
const decoderStage = (activation: 'relu6' | 'linear'): tfl.LayersModel => {
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
const masked = (): tfl.LayersModel => {
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
const croppedMask = (): tfl.LayersModel => {
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

const models: [string, () => tfl.LayersModel][] = [
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
]

/** Two inputs, two outputs, a layer used twice, a model inside the model and a result that is read twice. */
const tangled = (): tfl.LayersModel => {
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

describe.each(engines)('on %s', engine => {
  let before = 0
  beforeEach(async () => {
    await useBackend(engine)
    before = tf.memory().numTensors
  })
  afterEach(() => expect(tf.memory().numTensors).toBe(before))

  test.each([...models, ['a tangled model', tangled] as const])('%s equals its export to 1e-4', async (_, make) => {
    const model = make()
    const { difference, spread } = await compareWithExport(model, { engine })
    expect(spread).toBeGreaterThan(0.01)
    expect(difference).toBeLessThan(1e-4)
    model.dispose()
    // tfjs counts the uses of a layer and wants as many disposals.
    if (model.layers.some(({ name }) => name === 'shared')) model.getLayer('shared').dispose()
  })
})

test('half-precision weights are near', async () => {
  await useBackend('wasm')
  const model = chain(conv(), batchNorm(), conv())
  const { difference } = await compareWithExport(model, { weights: 'float16' })
  expect(difference).toBeGreaterThan(0)
  expect(difference).toBeLessThan(1e-2)
  model.dispose()
})

describe('the graph', () => {
  const ops = async (model: tfl.LayersModel): Promise<string[]> => {
    const { nodes } = optimize(await importLayersModel(model))
    model.dispose()
    return nodes.map(node => ('activation' in node ? `${node.op} ${node.activation}` : node.op))
  }

  test.each([
    [
      'conv, batch norm and relu6 are one node',
      () => chain(conv(), batchNorm(), layers.reLU({ maxValue: 6 })),
      ['input', 'conv2d relu6'],
    ],
    [
      'a hard sigmoid is a clip',
      () => chain(conv(), layers.activation({ activation: 'hardSigmoid' })),
      ['input', 'conv2d linear', 'clip'],
    ],
    [
      'padding goes into the convolution',
      () => chain(layers.zeroPadding2d({ padding: 1 }), depthwise()),
      ['input', 'depthwiseConv2d linear'],
    ],
    [
      'a lone batch norm is a depthwise convolution',
      () => chain(batchNorm(), layers.reLU()),
      ['input', 'depthwiseConv2d relu'],
    ],
    ['dropout is nothing', () => chain(layers.dropout({ rate: 0.5 })), ['input']],
  ])('%s', async (_, make, expected) => {
    expect(await ops(make())).toEqual(expected)
  })

  test('a mask is as wide as its picture, a large concatenation is taken apart', async () => {
    for (const make of [masked, croppedMask]) {
      const model = make()
      const { nodes } = optimize(await importLayersModel(model))
      expect(nodes.map(({ shape }) => shape[3])).toEqual(nodes.map(() => 3))
      model.dispose()
    }
    expect(await ops(decoderStage('relu6'))).not.toContain('concat')
    expect(await ops(merging(layers.concatenate()))).toContain('concat')
  })

  test('inputs and outputs keep their names and shapes', async () => {
    const model = tangled()
    const exported = await tfc.loadGraphModel(tf.io.fromMemory(await exportGraphModel(model)))
    expect(exported.inputs.map(({ name, shape }) => [name, shape])).toEqual([
      ['picture', [-1, 6, 6, 4]],
      ['style', [-1, 4]],
    ])
    expect(Object.keys((exported.modelSignature as { outputs: object }).outputs)).toEqual(model.outputNames)
    exported.dispose()
    model.dispose()
  })
})

describe('what cannot be exported is named', () => {
  const inputs = tfl.input({ shape: [7, 6, 4] })
  const open = tfl.input({ shape: [null, null, 4] })
  const through = (layer: tfl.layers.Layer, input: Tensor = inputs) =>
    tfl.model({ inputs: input, outputs: apply(layer, input) })

  test.each([
    ['a class', () => through(layers.layerNormalization({ name: 'norm' })), /'norm'.*LayerNormalization.*'Conv2D'/],
    ['an activation', () => through(layers.activation({ activation: 'mish', name: 'act' })), /'act'.*Activation.*mish/],
    [
      'channels first',
      () => through(conv({ dataFormat: 'channelsFirst', name: 'first' })),
      /'first'.*Conv2D.*channelsFirst/,
    ],
    ['an open size', () => through(layers.upSampling2d({ name: 'up' }), open), /'up'.*UpSampling2D.*fixed/],
    [
      'a crop of an open size',
      () => through(layers.cropping2D({ cropping: 1, name: 'c' }), open),
      /'c'.*Cropping2D.*fixed/,
    ],
    [
      'batch norm of another axis',
      () => through(batchNorm({ axis: 1, name: 'bn' })),
      /'bn'.*BatchNormalization.*axis is 1/,
    ],
    ['a dense layer of a picture', () => through(layers.dense({ units: 3, name: 'd' })), /'d'.*Dense.*rank 4/],
    [
      'a dilated depthwise convolution',
      () => through(depthwise({ dilationRate: 2, name: 'dw' })),
      /'dw'.*DepthwiseConv2D.*dilationRate/,
    ],
    [
      'an inner layer',
      () =>
        through(
          tfl.sequential({
            name: 'block',
            layers: [layers.permute({ dims: [2, 1, 3], inputShape: [7, 6, 4], name: 'p' })],
          }),
        ),
      /'block\/p'.*Permute/,
    ],
    ['integers', () => through(layers.reLU(), tfl.input({ shape: [2], dtype: 'int32', name: 'ids' })), /'ids'.*int32/],
  ])('%s', async (_, make, message) => {
    await useBackend('cpu')
    const model = make()
    const before = tf.memory().numTensors
    await expect(exportGraphModel(model)).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringMatching(message),
    })
    expect(tf.memory().numTensors).toBe(before)
  })

  test('a weight that is not finite', async () => {
    const model = chain(layers.conv2d({ filters: 1, kernelSize: 1, name: 'broken' }))
    const nan = [tf.fill([1, 1, 4, 1], Number.NaN), tf.zeros([1])]
    model.layers[1]!.setWeights(nan)
    tf.dispose(nan)
    await expect(exportGraphModel(model)).rejects.toMatchObject({
      code: 'not-finite',
      message: expect.stringContaining('broken'),
    })
    model.dispose()
  })

  test('a format of weights', async () => {
    const model = chain(conv())
    const options = { weights: 'int8' as never }
    await expect(exportGraphModel(model, options)).rejects.toMatchObject({ code: 'invalid-argument' })
    model.dispose()
  })
})
