import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { input, model, type SymbolicTensor } from '@tensorflow/tfjs-layers'
import { expect, test } from 'vitest'
import { applyHead, joinFeature, parameterInput, refine, unetDecoder, upsample } from './index.js'

const features = (...shapes: [number, number, number][]): SymbolicTensor[] =>
  shapes.map((shape, i) => input({ name: `feature_${i}`, shape }))

test('it joins the features of any encoder, and asks for nothing but them', () => {
  const before = tf.memory().numTensors
  const inputs = features([16, 8, 5], [8, 4, 7], [4, 2, 9])
  const network = model({ inputs, outputs: unetDecoder({ channels: [6, 4, 3] }).apply(inputs) })
  expect(network.outputs[0]!.shape).toEqual([null, 32, 16, 3])
  network.dispose()
  expect(tf.memory().numTensors).toBe(before)
})

test('skips of different widths: concat keeps them, add narrows them', () => {
  const names = (skip: 'concat' | 'add') => {
    const inputs = features([8, 8, 5], [4, 4, 7])
    const network = model({ inputs, outputs: unetDecoder({ channels: [6, 4], skip }).apply(inputs) })
    const result = network.layers.map(layer => layer.name)
    network.dispose()
    return result
  }
  expect(names('concat')).toContain('decoder_1_concat')
  expect(names('add')).toEqual(expect.arrayContaining(['decoder_1_skip', 'decoder_1_add']))
  expect(names('add')).not.toContain('decoder_2_add')
})

test('both upsamplings are what their names say: bilinear of tfjs samples at i / 2', () => {
  const upsampled = (upsampling: 'bilinear' | 'nearest'): number[] =>
    tf.tidy(() => {
      const inputs = features([1, 2, 1])
      const network = model({ inputs, outputs: unetDecoder({ channels: [1], upsampling }).apply(inputs) })
      const up = network.getLayer('decoder_1_up')
      const row = up.apply(tf.tensor4d([0, 4], [1, 1, 2, 1])) as tf.Tensor
      const values = [...row.dataSync()].slice(0, 4)
      network.dispose()
      return values
    })
  expect(upsampled('nearest')).toEqual([0, 0, 4, 4])
  expect(upsampled('bilinear')).toEqual([0, 2, 4, 4])
})

test.each([
  ['too few', [[8, 8, 5]]],
  [
    'not halves',
    [
      [8, 8, 5],
      [8, 8, 5],
    ],
  ],
] as [string, [number, number, number][]][])(
  'features that are %s are refused before anything is built',
  (_, shapes) => {
    const before = tf.memory().numTensors
    const apply = () => unetDecoder({ channels: [4, 4] }).apply(features(...shapes))
    expect(apply).toThrow(/A decoder of 2 stages needs 2 features/)
    expect(apply).toThrow(expect.objectContaining({ code: 'shape-mismatch' }))
    expect(tf.memory().numTensors).toBe(before)
  },
)

test.each<[string, (a: SymbolicTensor, b: SymbolicTensor) => unknown, RegExp]>([
  ['invalid-argument', a => upsample(a, { name: 'x', upsampling: 'cubic' as never }), /upsampling is "cubic"/],
  [
    'invalid-argument',
    a => joinFeature(a, a, { name: 'x', skip: 'sum' as never }),
    /skip is "sum"; it must be 'concat'/,
  ],
  ['shape-mismatch', (a, b) => joinFeature(a, b, { name: 'x' }), /'x' cannot join features of 8x8 and 4x4/],
  [
    'invalid-argument',
    a => refine(a, { name: 'x', block: 'resnet' as never, filters: 4, expansion: 1 }),
    /block is "resnet"; it must be 'invertedResidual', 'universalInvertedBottleneck' or 'depthwiseSeparable'/,
  ],
  ['invalid-argument', a => applyHead(a, a, { head: 'mask' as never }), /head is "mask"/],
  ['invalid-argument', a => applyHead(a, a, { activation: 'clip' }), /it must be 'sigmoid', 'hardSigmoid' or 'linear'/],
  ['invalid-argument', () => parameterInput([]), /at least one parameter/],
  ['invalid-argument', () => parameterInput([{ name: 'age' } as never]), /lacks the member 'min'/],
])('a part that is asked for what it cannot do says so: %s', (code, build, message) => {
  const before = tf.memory().numTensors
  const [a, b] = features([8, 8, 4], [4, 4, 4])
  expect(() => build(a!, b!)).toThrow(message)
  expect(() => build(a!, b!)).toThrow(expect.objectContaining({ code }))
  expect(tf.memory().numTensors).toBe(before)
})
