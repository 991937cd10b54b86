import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import * as tfl from '@tensorflow/tfjs-layers'
import { beforeAll, expect, test } from 'vitest'
import { effect } from '../../test/fixtures/tiny.js'
import type { PairSet } from '../data/pairs.js'
import { evaluate, MAX_PSNR_DB } from './evaluate.js'

beforeAll(() => tf.setBackend('cpu'))

const SIZE = 4
const provenance = { teacher: { id: 't', version: '1' }, seed: 0, licence: { id: 'CC0-1.0' } }

/** Input 51 (0.2) everywhere; the target's first pixel is 204 (0.8), in pair 1 also its second. */
const pairs: PairSet = {
  size: SIZE,
  facts: [0, 1, 2].map(i => ({ id: `p${i}`, parameters: {}, provenance, inputHash: '' })),
  read: index => {
    const input = new Uint8Array(SIZE * SIZE * 3).fill(51)
    const target = input.slice()
    if (index < 2) target.fill(204, 0, index === 1 ? 6 : 3)
    return { input, target }
  },
}

/** A model that adds a constant to every value. */
const adding = (constant: number): tfl.LayersModel => {
  const input = tfl.input({ shape: [SIZE, SIZE, 3] })
  const layer = tfl.layers.conv2d({
    filters: 3,
    kernelSize: 1,
    weights: [tf.reshape(tf.eye(3), [1, 1, 3, 3]), tf.fill([3], constant)],
  })
  return tfl.model({ inputs: input, outputs: layer.apply(input) as tfl.SymbolicTensor })
}

const options = { pairs, seeds: [0, 1, 2], effect, batchSize: 2, changedThreshold: 8 }

test('figures are those worked out by hand, and no tensor is left', async () => {
  const model = adding(0.1)
  const before = tf.memory().numTensors
  const { changedRegion, keptRegion, fullImage, samples, heldOut } = await evaluate({ ...options, model })
  expect(tf.memory().numTensors).toBe(before)
  expect(heldOut).toBe(3)
  expect(changedRegion.doNothingMae).toBeCloseTo(0.6)
  expect(changedRegion.studentMae).toBeCloseTo(0.5)
  expect(changedRegion.fraction).toBeCloseTo(3 / 48)
  expect(keptRegion.psnrDb).toBeCloseTo(20, 4)
  expect(fullImage.studentMae).toBeCloseTo((3 * 0.5 + 45 * 0.1) / 48)
  expect(fullImage.doNothingMae).toBeCloseTo((3 * 0.6) / 48)
  expect(fullImage.psnrDb).toBeCloseTo(-10 * Math.log10((3 * 0.25 + 45 * 0.01) / 48), 4)
  expect(samples.map(sample => sample.changedFraction)).toEqual([1 / 16, 2 / 16, 0])
  expect(samples[2]).toMatchObject({ id: 'p2', studentMae: null, doNothingMae: null })
  model.dispose()
})

test('an exact copy is kept at the largest figure, and answers are clipped as a screen would', async () => {
  const copy = adding(0)
  expect((await evaluate({ ...options, model: copy })).keptRegion.psnrDb).toBe(MAX_PSNR_DB)
  copy.dispose()
  const bright = adding(5)
  expect((await evaluate({ ...options, model: bright })).changedRegion.studentMae).toBeCloseTo(0.2)
  bright.dispose()
})
