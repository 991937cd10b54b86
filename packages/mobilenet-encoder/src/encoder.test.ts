import { readFileSync } from 'node:fs'
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

test('the spec of what was there first never changes, since students are known by its hash', () => {
  expect(JSON.stringify(mobilenetEncoder().spec)).toBe(
    '{"formatVersion":1,"family":"v2","width":1,"depth":1,"padding":"same","batchNormMomentum":0.9,"batchNormEpsilon":0.001}',
  )
})

test('an option at its default is no part of the spec, any other is', () => {
  const plain = mobilenetEncoder({ family: 'v3-small' }).spec
  const said = { ...plain, convention: 'keras', minimalistic: false, branches: 1 }
  expect(encoderFromSpec(said).spec).toEqual(plain)
  expect(mobilenetEncoder({ family: 'v3-small', convention: 'timm', minimalistic: true, branches: 2 }).spec).toEqual({
    ...plain,
    padding: 'symmetric',
    batchNormEpsilon: 1e-5,
    convention: 'timm',
    minimalistic: true,
    branches: 2,
  })
  expect(mobilenetEncoder({ family: 'v4-conv-small' }).spec).toEqual(
    mobilenetEncoder({ family: 'v4-conv-small', convention: 'timm' }).spec,
  )
})

test('with the padding of Keras odd sizes shrink as they do there', () => {
  const sides = (family: 'v1' | 'v2' | 'v3-small') => {
    const image = input({ shape: [43, 51, 3] })
    const features = mobilenetEncoder({ family, width: 0.1, padding: 'keras' }).apply(image)
    const network = model({ inputs: image, outputs: features })
    network.dispose()
    return features.map(({ shape }) => shape.slice(1, 3))
  }
  const expected = [
    [22, 26],
    [11, 13],
    [5, 6],
    [2, 3],
    [1, 1],
  ]
  expect(sides('v1')).toEqual(expected)
  expect(sides('v2')).toEqual(expected)
  expect(sides('v3-small')).toEqual(expected)
})

test.each([
  ['v1', 0.1],
  ['v2', 0.35],
  ['v3-small', 0.1],
] as const)('layers and weights of %s have the names and shapes of keras.applications', (family, width) => {
  const network = modelOf(mobilenetEncoder({ family, width }))
  const weighted = network.layers.filter(layer => layer.weights.length > 0)
  const shapes = Object.fromEntries(weighted.map(layer => [layer.name, layer.weights.map(weight => weight.shape)]))
  expect(shapes).toEqual(fixture(`keras-${family}-${width}`))
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
  [
    { family: 'v9' },
    /family is "v9"; it must be 'v1', 'v2', 'v3-small', 'v3-large', 'v4-conv-small' or 'v4-conv-medium'/,
  ],
  [{ width: 0 }, /width is 0; it must be a number from 0.05 to 4/],
  [{ width: Number.NaN }, /width is NaN/],
  [{ width: '1' }, /width is "1"/],
  [{ depth: Number.POSITIVE_INFINITY }, /depth is Infinity/],
  [{ padding: 'valid' }, /padding is "valid"; it must be 'same', 'symmetric' or 'keras'/],
  [{ batchNormMomentum: 2 }, /batchNormMomentum is 2/],
  [{ batchNormEpsilon: 0 }, /batchNormEpsilon is 0/],
  [{ convention: 'torch' }, /convention is "torch"; it must be 'keras' or 'timm'/],
  [
    { family: 'v4-conv-small', convention: 'keras' },
    /convention is 'keras'; for family 'v4-conv-small' it must be 'timm'/,
  ],
  [{ minimalistic: true }, /minimalistic is true for family 'v2'; .* only for 'v3-small' or 'v3-large'/],
  [{ family: 'v3-small', minimalistic: 1 }, /minimalistic is 1/],
  [{ branches: 9 }, /branches is 9; it must be a whole number from 1 to 8/],
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
  ['invalid-argument', { ...spec, family: 'v5' }, /family is "v5"/],
  ['invalid-argument', { ...spec, branches: 0 }, /branches is 0/],
  ['newer-version', { ...spec, formatVersion: 2, family: 'v9' }, /format version 2; this release reads up to 1/],
])('a wrong spec: %s, %o', (code, value, message) => {
  expect(() => encoderFromSpec(value)).toThrow(message)
  expect(() => encoderFromSpec(value)).toThrow(expect.objectContaining({ code }))
})
