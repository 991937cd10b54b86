import * as tfc from '@tensorflow/tfjs-converter'
import * as tf from '@tensorflow/tfjs-core'
import * as tfl from '@tensorflow/tfjs-layers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { engines, useBackend } from '../test/backends.js'
import { compareWithExport } from '../test/difference.js'
import {
  apply,
  batchNorm,
  chain,
  conv,
  croppedMask,
  decoderStage,
  depthwise,
  heads,
  large,
  masked,
  matte,
  merging,
  models,
  tangled,
} from '../test/models.js'
import { exportGraphModel, importLayersModel, optimize } from './index.js'

type Tensor = tfl.SymbolicTensor
const { layers } = tfl

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

  test('heads of the same picture are one convolution, two pixels at a time', async () => {
    const model = heads('sigmoid')
    const { nodes } = optimize(await importLayersModel(model))
    const convolutions = nodes.flatMap(node => (node.op === 'conv2d' ? [node.filter.shape.join('x')] : []))
    // Both heads; what is paint, alpha (as wide as the picture) and its complement.
    expect(convolutions.sort()).toEqual(['1x1x3x3', '1x1x4x3', '1x1x4x3', '3x4x3x8'])
    model.dispose()
  })

  test.each([
    ['a matte', () => matte('sigmoid'), ['conv2d sigmoid']],
    ['a hard matte of half the size', () => matte('hardSigmoid', true), ['conv2d linear', 'clip', 'resize']],
  ])('%s is one convolution, and a product with its number', async (_, make, expected) => {
    const kinds = (await ops(make())).filter(op => !['input', 'constant', 'reshape'].includes(op))
    expect(kinds).toEqual([...expected, 'binary', 'binary', 'binary'])
  })

  test('neighbours are computed together as far as the width divides', async () => {
    const filters = async (model: tfl.LayersModel) => {
      const { nodes } = optimize(await importLayersModel(model))
      model.dispose()
      return nodes.flatMap(node => (node.op === 'conv2d' ? [node.filter.shape] : []))
    }
    // The result is 62x62, too small.
    expect(await filters(large({ filters: 1 }))).toEqual([[3, 3, 3, 1]])
    expect(await filters(large({ filters: 1, padding: 'same' }))).toEqual([[3, 10, 3, 8]])
    expect(await filters(large({ filters: 2, padding: 'same' }, [64, 69]))).toEqual([[3, 5, 3, 6]])
    expect(await filters(large({ filters: 5, padding: 'same' }))).toEqual([[3, 3, 3, 5]])
    expect(await filters(large({ filters: 3, padding: 'same' }, [64, 67]))).toEqual([[3, 3, 3, 3]])
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
