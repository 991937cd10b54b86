import { describe, expect, it } from 'vitest'
import type { StoredArray } from './arrays.js'
import { discriminatorFromRosinality, generatorFromRosinality } from './rosinality.js'
import { discriminatorFromTensorflow, generatorFromTensorflow } from './tensorflow.js'

/** An array that counts from 0. */
const counting = (...shape: number[]): StoredArray => ({
  shape,
  load: async () =>
    Float32Array.from({ length: shape.reduce((product, size) => product * size, 1) }, (_, index) => index),
})

/** New names and shapes of arrays that differ from each other. */
const shapesOf = (arrays: ReadonlyMap<string, StoredArray>) =>
  Object.fromEntries([...arrays].map(([name, { shape }]) => [name, shape]))

const rename = (
  from: (arrays: ReadonlyMap<string, StoredArray>) => ReadonlyMap<string, StoredArray>,
  shapes: Record<string, number[]>,
) => from(new Map(Object.entries(shapes).map(([name, shape]) => [name, counting(...shape)])))

describe('rosinality', () => {
  it("names a generator's arrays", async () => {
    const renamed = rename(arrays => generatorFromRosinality(arrays, counting(8)), {
      'style.1.weight': [8, 8],
      'style.2.bias': [8],
      'input.input': [1, 2, 4, 4],
      'conv1.conv.weight': [1, 2, 2, 3, 3],
      'conv1.conv.modulation.weight': [2, 8],
      'conv1.noise.weight': [1],
      'conv1.activate.bias': [2],
      'to_rgb1.bias': [1, 3, 1, 1],
      'to_rgb1.conv.weight': [1, 3, 2, 1, 1],
      'convs.0.conv.weight': [1, 2, 2, 3, 3],
      'convs.0.conv.blur.kernel': [4, 4],
      'convs.3.conv.modulation.bias': [2],
      'to_rgbs.1.conv.modulation.bias': [2],
      'to_rgbs.1.upsample.kernel': [4, 4],
      'noises.noise_0': [1, 1, 4, 4],
      'noises.noise_3': [1, 1, 16, 16],
    })
    expect(shapesOf(renamed)).toEqual({
      'mapping.fc0.weight': [8, 8],
      'mapping.fc1.bias': [8],
      'mapping.w_avg': [8],
      'synthesis.b4.const': [2, 4, 4],
      'synthesis.b4.conv1.weight': [2, 2, 3, 3],
      'synthesis.b4.conv1.affine.weight': [2, 8],
      'synthesis.b4.conv1.noise_strength': [],
      'synthesis.b4.conv1.bias': [2],
      'synthesis.b4.torgb.bias': [3],
      'synthesis.b4.torgb.weight': [3, 2, 1, 1],
      'synthesis.b8.conv0.weight': [2, 2, 3, 3],
      'synthesis.b16.conv1.affine.bias': [2],
      'synthesis.b16.torgb.affine.bias': [2],
      'synthesis.b4.conv1.noise_const': [4, 4],
      'synthesis.b16.conv0.noise_const': [16, 16],
    })
    expect(await renamed.get('synthesis.b8.conv0.weight')?.load()).toEqual(await counting(2, 2, 3, 3).load())
  })

  it("names a discriminator's, and finds its resolution", () => {
    const renamed = rename(discriminatorFromRosinality, {
      'convs.0.0.weight': [2, 3, 1, 1],
      'convs.0.1.bias': [2],
      'convs.1.conv1.0.weight': [2, 2, 3, 3],
      'convs.2.conv2.0.kernel': [4, 4],
      'convs.2.conv2.1.weight': [2, 2, 3, 3],
      'convs.2.conv2.2.bias': [2],
      'convs.2.skip.1.weight': [2, 2, 1, 1],
      'final_conv.0.weight': [2, 3, 3, 3],
      'final_conv.1.bias': [2],
      'final_linear.0.weight': [2, 32],
      'final_linear.1.bias': [1],
    })
    expect(Object.keys(shapesOf(renamed))).toEqual([
      'b16.fromrgb.weight',
      'b16.fromrgb.bias',
      'b16.conv0.weight',
      'b8.conv1.weight',
      'b8.conv1.bias',
      'b8.skip.weight',
      'b4.conv.weight',
      'b4.conv.bias',
      'b4.fc.weight',
      'b4.out.bias',
    ])
  })
})

describe('TensorFlow', () => {
  it("names a generator's arrays and turns their axes", async () => {
    const renamed = rename(generatorFromTensorflow, {
      lod: [],
      dlatent_avg: [8],
      'mapping/Dense1/weight': [2, 3],
      'synthesis/lod': [],
      'synthesis/noise2': [1, 1, 8, 8],
      'synthesis/4x4/Const/const': [1, 2, 4, 4],
      'synthesis/4x4/Conv/mod_bias': [2],
      'synthesis/4x4/ToRGB/weight': [1, 1, 2, 3],
      'synthesis/8x8/Conv0_up/weight': [3, 3, 1, 1],
      'synthesis/8x8/Conv1/weight': [3, 3, 1, 2],
      'synthesis/8x8/Conv1/noise_strength': [],
    })
    expect(shapesOf(renamed)).toEqual({
      'mapping.w_avg': [8],
      'mapping.fc1.weight': [3, 2],
      'synthesis.b8.conv1.noise_const': [8, 8],
      'synthesis.b4.const': [2, 4, 4],
      'synthesis.b4.conv1.affine.bias': [2],
      'synthesis.b4.torgb.weight': [3, 2, 1, 1],
      'synthesis.b8.conv0.weight': [1, 1, 3, 3],
      'synthesis.b8.conv1.weight': [2, 1, 3, 3],
      'synthesis.b8.conv1.noise_strength': [],
    })
    const data = async (name: string) => [...(await renamed.get(name)!.load())]
    expect(await data('mapping.fc1.weight')).toEqual([0, 3, 1, 4, 2, 5])
    expect(await data('synthesis.b4.conv1.affine.bias')).toEqual([1, 2])
    expect(await data('synthesis.b8.conv0.weight')).toEqual([8, 7, 6, 5, 4, 3, 2, 1, 0])
    expect((await data('synthesis.b8.conv1.weight')).slice(0, 9)).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 16])
  })

  it("names a discriminator's", () => {
    const renamed = rename(discriminatorFromTensorflow, {
      '16x16/FromRGB/weight': [1, 1, 3, 2],
      '16x16/Conv0/bias': [2],
      '16x16/Conv1_down/weight': [3, 3, 2, 4],
      '8x8/Skip/weight': [1, 1, 2, 4],
      '4x4/Conv/bias': [2],
      '4x4/Dense0/weight': [32, 2],
      'Output/weight': [2, 1],
    })
    expect(shapesOf(renamed)).toEqual({
      'b16.fromrgb.weight': [2, 3, 1, 1],
      'b16.conv0.bias': [2],
      'b16.conv1.weight': [4, 2, 3, 3],
      'b8.skip.weight': [4, 2, 1, 1],
      'b4.conv.bias': [2],
      'b4.fc.weight': [2, 32],
      'b4.out.weight': [1, 2],
    })
  })
})

it.each([
  ['a generator that grew', generatorFromTensorflow, 'synthesis/ToRGB_lod3/weight'],
  ['a residual generator', generatorFromTensorflow, 'synthesis/8x8/Skip/weight'],
  ['a discriminator that grew', discriminatorFromTensorflow, 'FromRGB_lod2/weight'],
  ['a class embedding', generatorFromRosinality, 'embed.weight'],
  ['another block', discriminatorFromRosinality, 'convs.1.conv3.0.weight'],
])('refuses %s by name', (_, from, name) => {
  expect(() => rename(arrays => from(arrays), { [name]: [1, 1] })).toThrow(`no '${name}'`)
})
