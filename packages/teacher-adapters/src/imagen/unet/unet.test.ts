import { prepareBackend } from '@fx/backend'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { openUnet, readArrays, readJson } from '../../../test/imagen.js'
import { encodeUnetConfig, imagenUnet, parseUnetConfig, randomUnetWeights, type UnetConfig } from '../../imagen.js'
import { attend } from './heads.js'

const tiny: UnetConfig = {
  sampleSize: 8,
  blockOutChannels: [8, 16],
  attentionHeadDim: 8,
  encoderHidDim: 12,
  crossAttentionDim: 32,
  additionEmbedTypeNumHeads: 3,
  actFn: 'silu',
  normNumGroups: 4,
}

beforeAll(() => prepareBackend({ backend: 'cpu' }))

describe('config', () => {
  test.each(['stage1', 'stage2_sr'] as const)('%s is read, written and read again', name => {
    const config = parseUnetConfig(readJson(`${name}.unet_config`))
    expect(parseUnetConfig(JSON.parse(JSON.stringify(encodeUnetConfig(config))))).toEqual(config)
    // What is written says of itself what the published file says.
    expect(readJson(`${name}.unet_config`)).toMatchObject(encodeUnetConfig(config))
  })

  test.each([
    ['another attention', { down_block_types: ['DownBlock2D', 'CrossAttnDownBlock2D'] }, /down_block_types/],
    ['other levels up', { up_block_types: ['ResnetUpsampleBlock2D', 'ResnetUpsampleBlock2D'] }, /same levels/],
    ['another embedding', { addition_embed_type: 'image' }, /addition_embed_type/],
    ['no text', { encoder_hid_dim: null }, /encoder_hid_dim/],
    ['a huge network', { block_out_channels: [1e9] }, /block_out_channels/],
    ['no object', null, /IF/],
  ])('%s is refused', (_, change, message) => {
    const json = change && { ...(readJson('stage1.unet_config') as object), ...change }
    expect(() => parseUnetConfig(json)).toThrow(
      expect.objectContaining({ code: 'unsupported', message: expect.stringMatching(message) }),
    )
  })

  test.each([
    ['groups', { normNumGroups: 5 }, /8 is no multiple of normNumGroups 5/],
    ['heads', { attentionHeadDim: 5 }, /attentionHeadDim 5/],
    ['levels', { attention: [true] }, /2 values/],
    ['text width', { crossAttentionDim: 40 }, /40.*multiple of 32/],
    ['pooling heads', { additionEmbedTypeNumHeads: 5 }, /does not divide/],
    ['layers', { layersPerBlock: 0 }, /layersPerBlock is 0/],
    ['a number', { normEps: Number.NaN }, /normEps is NaN/],
  ])('%s that do not fit are refused', (_, change, message) => {
    expect(() => randomUnetWeights({ ...tiny, ...change }, 1)).toThrow(
      expect.objectContaining({ code: 'invalid-argument', message: expect.stringMatching(message) }),
    )
  })
})

test('weights come back as they went in', async () => {
  const weights = await readArrays('stage1.unet')
  const unet = await openUnet('stage1')
  const back = await unet.weights()
  expect([...back.keys()].sort()).toEqual([...weights.keys()].sort())
  for (const [name, { data }] of back) expect(data).toEqual(weights.get(name)!.data)
  unet.dispose()
})

test('a part of the queries at a time gives what all of them give', () => {
  tf.tidy(() => {
    const [q, k, v] = [7, 5, 5].map((length, i) =>
      tf.randomNormal([2, 3, length, 4], 0, 1, 'float32', i),
    ) as tf.Tensor4D[]
    const whole = attend(q!, k!, v!)
    const parts = attend(q!, k!, v!, 2 * 3 * 5 * 2)
    expect(tf.max(tf.abs(tf.sub(whole, parts))).dataSync()[0]).toBeLessThan(1e-6)
  })
})

test('with patches, the same network sees the image in squares', () => {
  const config = { ...tiny, patchSize: 2 }
  const weights = randomUnetWeights(config, 1)
  // An output of its own for each place in a square and colour: the place's number and the colour's.
  weights.get('conv_out.bias')!.data.set(Array.from({ length: 12 }, (_, i) => i))
  const unet = imagenUnet({ config, weights })
  const text = tf.zeros<tf.Rank.R3>([1, 2, 12])
  const output = unet.predict(tf.zeros([1, 8, 8, 3]), [3], { text })
  expect(output.shape).toEqual([1, 8, 8, 3])
  const values = output.arraySync()[0]!
  expect(values.slice(0, 2).map(row => row.slice(2, 4))).toEqual([
    [
      [0, 1, 2],
      [3, 4, 5],
    ],
    [
      [6, 7, 8],
      [9, 10, 11],
    ],
  ])
  tf.dispose([output, text])
  unet.dispose()
})

describe('input', () => {
  const predict = async (change: {
    x?: tf.Tensor4D
    timesteps?: number[]
    text?: tf.Tensor3D
    noiseLevel?: number[]
  }) => {
    const unet = imagenUnet({ config: tiny, weights: randomUnetWeights(tiny, 1) })
    const { x = tf.zeros([2, 8, 8, 3]), timesteps = [0, 999], text = tf.zeros([2, 4, 12]), noiseLevel } = change
    try {
      unet.predict(x, timesteps, { text, ...(noiseLevel && { noiseLevel }) }).dispose()
    } finally {
      tf.dispose([x, text])
      unet.dispose()
    }
  }

  test('timesteps need not be whole', () => predict({ timesteps: [0.5, 998.7] }))

  test.each([
    ['an odd side', () => ({ x: tf.zeros([2, 7, 8, 3]) }), 'shape-mismatch', /multiples of 2/],
    ['another text', () => ({ text: tf.zeros([2, 4, 13]) }), 'shape-mismatch', /\[2, L, 12\]/],
    ['too few timesteps', () => ({ timesteps: [1] }), 'invalid-argument', /2 numbers/],
    ['a timestep out of range', () => ({ timesteps: [1, 1000] }), 'invalid-argument', /1000/],
    ['a noise level for a first stage', () => ({ noiseLevel: [1, 1] }), 'invalid-argument', /no noiseLevel/],
  ] as const)('%s is refused, and nothing is left behind', async (_, change, code, message) => {
    const before = tf.memory().numTensors
    await expect(predict(change() as never)).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
    expect(tf.memory().numTensors).toBe(before)
  })
})
