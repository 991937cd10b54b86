import {
  type EncoderFamily,
  encoderFamilies,
  type MobilenetEncoderOptions,
  mobilenetEncoder,
} from '@fx/mobilenet-encoder'
import * as tf from '@tensorflow/tfjs-core'
import { input, type LayersModel, model } from '@tensorflow/tfjs-layers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { engines, useBackend } from '../test/backends.js'
import { compareWithExport } from '../test/difference.js'
import { randomiseWeights } from '../test/student.js'
import { importLayersModel, optimize } from './index.js'

const encoderModel = (options: MobilenetEncoderOptions): LayersModel => {
  const image = input({ shape: [64, 64, 3] })
  const network = model({ inputs: image, outputs: mobilenetEncoder({ width: 0.1, ...options }).apply(image) })
  randomiseWeights(network, JSON.stringify(options))
  return network
}

const operations = async (options: MobilenetEncoderOptions): Promise<Record<string, number>> => {
  const network = encoderModel(options)
  const counts: Record<string, number> = {}
  for (const { op } of optimize(await importLayersModel(network)).nodes) counts[op] = (counts[op] ?? 0) + 1
  network.dispose()
  return counts
}

describe.each(engines)('on %s', engine => {
  let before = 0
  beforeEach(async () => {
    await useBackend(engine)
    before = tf.memory().numTensors
  })
  afterEach(() => expect(tf.memory().numTensors).toBe(before))

  const cases: MobilenetEncoderOptions[] = [
    ...encoderFamilies.map(family => ({ family })),
    { family: 'v3-small', convention: 'timm' },
    { family: 'v3-small', minimalistic: true },
    { family: 'v3-large', padding: 'keras' },
    { family: 'v4-conv-small', padding: 'same' },
    { family: 'v1', branches: 3, depth: 0.3 },
    { family: 'v3-small', branches: 2, padding: 'symmetric', depth: 0.5 },
    { family: 'v4-conv-small', branches: 2, depth: 0.5 },
  ]
  test.each(cases)('the features of %o equal their export', async options => {
    const network = encoderModel(options)
    const { relative, spread } = await compareWithExport(network, { engine })
    expect(spread).toBeGreaterThan(0.1)
    expect(relative).toBeLessThan(1e-4)
    network.dispose()
  })
})

describe('the graph', () => {
  beforeEach(() => useBackend('cpu'))

  test.each<[EncoderFamily, Record<string, number>]>([
    ['v1', { input: 1, conv2d: 14, depthwiseConv2d: 13 }],
    ['v4-conv-small', { input: 1, conv2d: 30, depthwiseConv2d: 15, binary: 10 }],
  ])('of %s is convolutions and sums alone', async (family, expected) => {
    expect(await operations({ family })).toEqual(expected)
  })

  test('a hard swish is two operations, a squeeze-excite five', async () => {
    const counts = await operations({ family: 'v3-small' })
    // A sum more than at width 1, since at this one 40 and 48 channels are alike.
    const [blocks, excited, swishes, sums] = [11, 9, 18, 7]
    expect(counts).toEqual({
      input: 1,
      // The stem, the last one, two in each block but the first, and two in each squeeze-excite.
      conv2d: 2 + 2 * blocks - 1 + 2 * excited,
      depthwiseConv2d: blocks + swishes,
      pool: excited,
      clip: excited,
      binary: excited + swishes + sums,
    })
  })

  test.each<MobilenetEncoderOptions>([{ family: 'v1' }, { family: 'v3-small' }, { family: 'v4-conv-small' }])(
    'of %o is the same with branches in training',
    async options => {
      expect(await operations({ ...options, branches: 3 })).toEqual(await operations(options))
    },
  )
})
