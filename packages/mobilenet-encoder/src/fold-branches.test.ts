import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { input, type LayersModel, layers, model, type SymbolicTensor } from '@tensorflow/tfjs-layers'
import { expect, test } from 'vitest'
import {
  branchedConvolutions,
  type ConvolutionOptions,
  convBatchNorm,
  depthwiseBatchNorm,
  foldBranches,
  mobilenetEncoder,
} from './index.js'

/** Makes every batch normalisation a different map. */
const randomise = (network: LayersModel): void =>
  tf.tidy(() => {
    network.weights.forEach((weight, i) => {
      if (!weight.originalName.includes('_BN/')) return
      weight.write(tf.randomUniform(weight.shape as number[], 0.5, 1.5, 'float32', i + 1))
    })
  })

const names = (network: LayersModel): string[] => network.layers.map(layer => layer.name)

type Case = [string, 'conv' | 'depthwise', Partial<ConvolutionOptions> & { filters?: number }, string[]]
const cases: Case[] = [
  ['a 3x3 that keeps the width', 'conv', { kernelSize: 3 }, ['2', '1x1', 'identity']],
  ['a 3x3 that changes it', 'conv', { kernelSize: 3, filters: 7 }, ['2', '1x1']],
  ['a 1x1', 'conv', { branches: 3 }, ['2', '3', 'identity']],
  ['a strided 3x3', 'conv', { kernelSize: 3, stride: 2 }, ['2']],
  ['a strided 3x3, symmetric', 'conv', { kernelSize: 3, stride: 2, padding: 'symmetric' }, ['2']],
  ['a depthwise 5x5', 'depthwise', { kernelSize: 5, branches: 4 }, ['2', '3', '4', '1x1', 'identity']],
  ['a strided depthwise', 'depthwise', { stride: 2 }, ['2']],
]

test.each(cases)(
  '%s (%s %o) computes the same as the one convolution of its branches',
  (_, kind, options, branches) => {
    const before = tf.memory().numTensors
    const x = input({ shape: [7, 8, 4] })
    const shared = { name: 'a', branches: 2, activation: 'linear' as const, ...options }
    const output = kind === 'conv' ? convBatchNorm(x, { filters: 4, ...shared }) : depthwiseBatchNorm(x, shared)
    const network = model({ inputs: x, outputs: output })
    randomise(network)
    expect(branchedConvolutions(network)).toEqual(['a'])
    expect(
      names(network)
        .filter(name => /^a_branch_.*_BN$/.test(name))
        .sort(),
    ).toEqual(branches.map(branch => `a_branch_${branch}_BN`).sort())

    const { kernel, bias } = foldBranches(network, 'a')
    const pad = network.layers.find(layer => layer.name === 'a_pad')
    const settings = {
      kernelSize: kernel.shape[0],
      strides: options.stride ?? 1,
      padding: pad === undefined ? 'same' : 'valid',
    } as const
    const layer =
      kind === 'conv' ? layers.conv2d({ ...settings, filters: kernel.shape[3] }) : layers.depthwiseConv2d(settings)
    const padded = pad === undefined ? x : (layers.zeroPadding2d({ padding: [1, 1] }).apply(x) as SymbolicTensor)
    const single = model({ inputs: x, outputs: layer.apply(padded) as SymbolicTensor })
    layer.setWeights([kernel, bias])

    tf.tidy(() => {
      const image = tf.randomUniform([2, 7, 8, 4], -1, 1, 'float32', 1)
      const expected = network.predict(image) as tf.Tensor
      const got = single.predict(image) as tf.Tensor
      expect(got.shape).toEqual(expected.shape)
      expect(tf.max(tf.abs(expected)).dataSync()[0]).toBeGreaterThan(0.5)
      expect(tf.max(tf.abs(tf.sub(got, expected))).dataSync()[0]).toBeLessThan(1e-5)
    })
    network.dispose()
    single.dispose()
    tf.dispose([kernel, bias])
    expect(tf.memory().numTensors).toBe(before)
  },
)

test('every convolution of an encoder has branches when asked, under the names of the plain one', () => {
  const build = (branches: number): LayersModel => {
    const image = input({ shape: [32, 32, 3] })
    const encoder = mobilenetEncoder({ family: 'v1', width: 0.1, depth: 0.1, branches })
    return model({ inputs: image, outputs: encoder.apply(image) })
  }
  const plain = build(1)
  const branched = build(2)
  const convolutions = plain.layers.filter(layer => /Conv2D$/.test(layer.getClassName()))
  expect(branchedConvolutions(branched)).toEqual(convolutions.map(layer => layer.name))
  expect(branchedConvolutions(plain)).toEqual([])
  expect(names(branched)).toEqual(expect.arrayContaining(names(plain).slice(1)))
  expect(() => foldBranches(branched, 'conv_dw_9')).toThrow(
    /no convolution 'conv_dw_9' with branches; it has 'conv1', /,
  )
  expect(() => foldBranches(plain, 'conv1')).toThrow(/it has none at all/)
  plain.dispose()
  branched.dispose()
})
