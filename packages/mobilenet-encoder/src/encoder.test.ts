import { readFileSync } from 'node:fs'
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { input, type LayersModel, model } from '@tensorflow/tfjs-layers'
import { describe, expect, test } from 'vitest'
import { type Encoder, encoderFromSpec, type MobilenetEncoderOptions, mobilenetEncoder } from './index.js'

const fixture = (name: string) =>
  JSON.parse(readFileSync(new URL(`../test/fixtures/${name}.json`, import.meta.url), 'utf8'))

const modelOf = (encoder: Encoder, size = 32, seed?: number): LayersModel => {
  const image = input({ shape: [size, size, 3] })
  return model({ inputs: image, outputs: encoder.apply(image, { seed }) })
}

const trainable = (network: LayersModel): number =>
  network.trainableWeights.reduce((sum, { shape }) => sum + tf.util.sizeFromShape(shape as number[]), 0)

const variants: MobilenetEncoderOptions[] = [
  {},
  { width: 0.1 },
  { width: 0.35, depth: 0.3 },
  { width: 0.5, depth: 1.2, padding: 'symmetric' },
]

test.each(variants)('%o: what it says of its features is true, and they only ever get coarser', options => {
  const encoder = mobilenetEncoder(options)
  const before = tf.memory().numTensors
  const network = modelOf(encoder, 64)
  expect(network.outputs.map(({ shape }) => shape)).toEqual(
    encoder.strides.map((stride, i) => [null, 64 / stride, 64 / stride, encoder.channels[i]]),
  )
  for (let i = 1; i < encoder.strides.length; i++) {
    expect(encoder.strides[i]).toBe(2 * encoder.strides[i - 1]!)
    expect(encoder.channels[i]!).toBeGreaterThanOrEqual(encoder.channels[i - 1]!)
  }
  const names = network.layers.map(layer => layer.name)
  expect(new Set(names).size).toBe(names.length)
  network.dispose()
  expect(tf.memory().numTensors).toBe(before)
})

const widths: [string, { channels: number[]; strides: number[]; parameters: number }][] = Object.entries(
  fixture('timm-v2-widths'),
)
test.each(widths)('width %s has the taps and the parameters of timm', (width, { channels, strides, parameters }) => {
  const encoder = mobilenetEncoder({ width: Number(width) })
  expect(encoder.channels).toEqual(channels)
  expect(encoder.strides).toEqual(strides)
  const network = modelOf(encoder)
  expect(trainable(network)).toBe(parameters)
  network.dispose()
})

test('layers and weights have the names and shapes of keras.applications.MobileNetV2', () => {
  const network = modelOf(mobilenetEncoder({ width: 0.35 }))
  const weighted = network.layers.filter(layer => layer.weights.length > 0)
  const shapes = Object.fromEntries(weighted.map(layer => [layer.name, layer.weights.map(weight => weight.shape)]))
  expect(shapes).toEqual(fixture('keras-v2-0.35'))
  network.dispose()
})

test('depth multiplies the repeats, rounded up, of every stage that has several', () => {
  const blocks = (depth: number) => {
    const network = modelOf(mobilenetEncoder({ width: 0.1, depth }))
    const count = network.layers.filter(layer => layer.name.endsWith('_project')).length
    network.dispose()
    return count
  }
  expect([0.1, 0.5, 1, 1.2, 2].map(blocks)).toEqual([7, 11, 17, 22, 32])
})

describe('initial weights', () => {
  const weightsOf = (seed?: number): Map<string, number[]> => {
    const network = modelOf(mobilenetEncoder({ width: 0.1 }), 32, seed)
    const values = new Map(network.weights.map(weight => [weight.originalName, [...weight.read().dataSync()]]))
    network.dispose()
    return values
  }
  const seven = weightsOf(7)

  test('the same seed gives the same, bit for bit; another seed others', () => {
    expect(weightsOf(7)).toEqual(seven)
    expect(weightsOf(8).get('Conv1/kernel')).not.toEqual(seven.get('Conv1/kernel'))
    expect(weightsOf()).toEqual(weightsOf(0))
  })

  test('layers of one shape do not share them', () => {
    const kernels = [...seven].filter(([name]) => name.endsWith('kernel')).map(([, values]) => values.join())
    expect(new Set(kernels).size).toBe(kernels.length)
  })

  test('a depthwise kernel has the variance of its nine inputs', () => {
    const kernels = [...seven].filter(([name]) => name.endsWith('depthwise_kernel')).flatMap(([, values]) => values)
    const variance = kernels.reduce((sum, value) => sum + value * value, 0) / kernels.length
    // A normal of variance 2 / 9, cut off at two standard deviations, keeps 0.774 of it.
    expect(variance).toBeCloseTo((2 / 9) * 0.774, 2)
  })
})

test('a spec is plain JSON and builds the same encoder', () => {
  const encoder = mobilenetEncoder({ width: 0.35, depth: 0.5, padding: 'symmetric', batchNormMomentum: 0.95 })
  const again = encoderFromSpec(JSON.parse(JSON.stringify(encoder.spec)))
  expect(again.spec).toEqual(encoder.spec)
  expect(again.channels).toEqual(encoder.channels)
})

test.each([
  [{ family: 'v9' }, /family is "v9"; it must be 'v2'/],
  [{ width: 0 }, /width is 0; it must be a number from 0.05 to 4/],
  [{ width: Number.NaN }, /width is NaN/],
  [{ width: '1' }, /width is "1"/],
  [{ depth: Number.POSITIVE_INFINITY }, /depth is Infinity/],
  [{ padding: 'valid' }, /padding is "valid"; it must be 'same' or 'symmetric'/],
  [{ batchNormMomentum: 2 }, /batchNormMomentum is 2/],
  [{ batchNormEpsilon: 0 }, /batchNormEpsilon is 0/],
])('%o is refused', (options, message) => {
  const build = () => mobilenetEncoder(options as MobilenetEncoderOptions)
  expect(build).toThrow(message)
  expect(build).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
})

const spec = mobilenetEncoder().spec
test.each([
  ['invalid-argument', null, /must be an object/],
  ['invalid-argument', { ...spec, formatVersion: undefined }, /formatVersion/],
  ['invalid-argument', { ...spec, stem: 3 }, /no member 'stem'/],
  ['invalid-argument', { ...spec, width: undefined }, /lacks 'width'/],
  ['invalid-argument', { ...spec, family: 'v1' }, /family is "v1"/],
  ['newer-version', { ...spec, formatVersion: 2, family: 'v9' }, /format version 2; this release reads up to 1/],
])('a wrong spec: %s, %o', (code, value, message) => {
  expect(() => encoderFromSpec(value)).toThrow(message)
  expect(() => encoderFromSpec(value)).toThrow(expect.objectContaining({ code }))
})
