import { prepareBackend } from '@fx/backend'
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { input, model, type SymbolicTensor } from '@tensorflow/tfjs-layers'
import { expect, test } from 'vitest'
import { applyHead, crop, type ImageSize, joinFeature, parameterInput, refine, unetDecoder, upsample } from './index.js'

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

test.each<[ImageSize, string[]]>([
  [{ height: 9, width: 7 }, ['decoder_1_crop', 'decoder_2_crop']],
  [{ height: 10, width: 8 }, ['decoder_1_crop']],
  [{ height: 12, width: 8 }, []],
])('odd sides are cropped where they are, and nothing else is: %o', (image, expected) => {
  const half = (side: number) => Math.ceil(side / 2)
  const finest: [number, number, number] = [half(image.height), half(image.width), 5]
  const inputs = features(finest, [half(finest[0]), half(finest[1]), 7])
  const network = model({ inputs, outputs: unetDecoder({ channels: [6, 4] }).apply(inputs, { image }) })
  expect(network.outputs[0]!.shape).toEqual([null, image.height, image.width, 4])
  expect(network.layers.map(({ name }) => name).filter(name => name.includes('crop'))).toEqual(expected)
  network.dispose()
})

test('features of another image are refused', () => {
  const apply = () => unetDecoder({ channels: [4] }).apply(features([4, 4, 5]), { image: { height: 9, width: 8 } })
  expect(apply).toThrow(/needs 1 features of an image of 9x8, .* rounded up; got 1: 4x4/)
})

test.each(['alpha', 'residual', 'direct'] as const)('the head %s crops what it brings to an odd size', head => {
  const [image, half] = [input({ shape: [5, 6, 3] }), input({ shape: [3, 3, 4] })]
  const network = model({ inputs: [image, half], outputs: applyHead(image, half, { head }) })
  expect(network.outputs[0]!.shape).toEqual([null, 5, 6, 3])
  const last = { alpha: ['alpha', 'paint'], residual: ['delta'], direct: ['output'] }[head]
  for (const name of last) expect(network.getLayer(name).getClassName()).toBe('Cropping2D')
  expect(() => network.getLayer('crop')).toThrow()
  network.dispose()
})

test.each(['cpu', 'wasm'] as const)(
  'on %s a crop keeps the first rows and columns, and so does its gradient',
  async backend => {
    await prepareBackend({ backend })
    const before = tf.memory().numTensors
    const inputs = input({ shape: [3, 4, 2] })
    const network = model({ inputs, outputs: crop(inputs, { name: 'x', size: { height: 2, width: 3 } }) })
    tf.tidy(() => {
      const x = tf.randomUniform([2, 3, 4, 2], -1, 1, 'float32', 1)
      const weights = tf.randomUniform([2, 2, 3, 2], -1, 1, 'float32', 2)
      const kept = tf.slice(x, [0, 0, 0, 0], [2, 2, 3, 2])
      expect((network.predict(x) as tf.Tensor).arraySync()).toEqual(kept.arraySync())
      const gradient = tf.grad(value => tf.sum(tf.mul(network.apply(value) as tf.Tensor, weights)))(x)
      const padded = tf.pad(weights, [
        [0, 0],
        [0, 1],
        [0, 1],
        [0, 0],
      ])
      expect(gradient.arraySync()).toEqual(padded.arraySync())
    })
    network.dispose()
    expect(tf.memory().numTensors).toBe(before)
    await prepareBackend({ backend: 'cpu' })
  },
)

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
  ['shape-mismatch', (a, b) => joinFeature(a, b, { name: 'x' }), /'x' cannot join 8x8 to 4x4; only one row/],
  ['shape-mismatch', (a, b) => joinFeature(b, a, { name: 'x' }), /'x' cannot join 4x4 to 8x8/],
  ['shape-mismatch', a => crop(a, { name: 'x', size: { height: 8, width: 6 } }), /'x' cannot crop 8x8 to 8x6/],
  [
    'invalid-argument',
    a => refine(a, { name: 'x', block: 'resnet' as never, filters: 4, expansion: 1 }),
    /block is "resnet"; it must be 'invertedResidual', 'universalInvertedBottleneck' or 'depthwiseSeparable'/,
  ],
  ['invalid-argument', a => applyHead(a, a, { head: 'mask' as never }), /head is "mask"/],
  ['shape-mismatch', (a, b) => applyHead(b, a), /cannot paint 4x4 from features of 8x8/],
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
