import { prepareBackend } from '@fx/backend'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { randomImages } from '../../test/helpers.js'
import { testBackends } from '../../test/suite.js'
import { type Embedder, effectDirection, effectStrength, identitySimilarity, type Metric } from '../metrics.js'

/** Mean colours. */
const colours: Embedder = { name: 'colours', embed: images => tf.mean(images, [1, 2]) }
const none = { replicates: 0 }

describe.each(testBackends)('on %s', backend => {
  beforeAll(() => prepareBackend({ backend }))
  const row = (...pixels: number[][]): tf.Tensor4D =>
    tf.tensor4d(pixels.flat(), [1, 1, pixels.length, pixels[0]!.length])
  const figure = async (metric: Metric, ...batches: Parameters<Metric['add']>[0][]): Promise<number> => {
    for (const batch of batches) await metric.add(batch)
    return metric.result().value
  }

  test('identity is the cosine of the embeddings, of the input or the target', async () => {
    const output = row([1, 0, 0], [0, 1, 0])
    const input = row([0, 1, 0], [0, 1, 0])
    const target = row([1, 0, 0], [1, 0, 0])
    expect(await figure(identitySimilarity(colours), { output, input })).toBeCloseTo(Math.SQRT1_2, 6)
    expect(await figure(identitySimilarity(colours), { output: input, input })).toBeCloseTo(1, 6)
    expect(await figure(identitySimilarity(colours, { of: 'target' }), { output: input, target })).toBeCloseTo(0, 6)
    const black = row([0, 0, 0])
    expect(await figure(identitySimilarity(colours), { output: black, input: black })).toBe(0)
    await expect(identitySimilarity(colours).add({ output, target })).rejects.toThrow(
      /identity \(colours\): the batch lacks input/,
    )
    expect(() => identitySimilarity(colours, { of: 'output' as 'input' })).toThrow(
      /of is "output".*'input' or 'target'/,
    )
  })

  test.each([0, 0.5, 1, 1.4, -0.5])(
    'an effect applied %d times has that strength and its direction',
    async strength => {
      const input = randomImages([3, 6, 5, 3], 'input', 0.4, 0.6)
      const change = randomImages([3, 6, 5, 3], 'change', -0.25, 0.25)
      const batch = {
        input,
        output: tf.tidy(() => tf.add<tf.Tensor4D>(input, tf.mul(change, strength))),
        target: tf.add<tf.Tensor4D>(input, change),
      }
      expect(await figure(effectStrength(none), batch)).toBeCloseTo(strength, 4)
      expect(await figure(effectDirection(none), batch)).toBeCloseTo(Math.sign(strength), 4)
      expect(await figure(effectStrength({ embedder: colours, ...none }), batch)).toBeCloseTo(strength, 4)
      expect(await figure(effectDirection({ embedder: colours, ...none }), batch)).toBeCloseTo(Math.sign(strength), 4)
    },
  )

  test('a change elsewhere has neither strength nor direction', async () => {
    const input = row([0.5], [0.5])
    const batch = { input, output: row([0.9], [0.5]), target: row([0.5], [0.1]) }
    expect(await figure(effectStrength(), batch)).toBe(0)
    expect(await figure(effectDirection(), batch)).toBe(0)
  })

  test('strength weighs images by their change; images left alone do not count; the mask weighs pixels', async () => {
    const input = row([0.5], [0.5])
    const full = { input, output: row([0.9], [0.5]), target: row([0.9], [0.5]) }
    const missed = { input, output: input, target: row([0.6], [0.5]) }
    const alone = { input, output: row([0.7], [0.7]), target: input }
    expect(await figure(effectStrength(), full, missed, alone)).toBeCloseTo(0.16 / 0.17, 5)
    const direction = effectDirection()
    expect(await figure(direction, full, missed, alone)).toBeCloseTo(0.5, 5)
    expect(direction.result().count).toBe(2)
    await expect(figure(effectStrength(), alone)).rejects.toThrow(/0 had anything to measure/)

    const half = { input, output: row([0.7], [0.5]), target: row([0.7], [0.7]) }
    expect(await figure(effectStrength(), half)).toBeCloseTo(0.5, 5)
    const mask = tf.tensor4d([3, 1], [1, 1, 2, 1])
    expect(await figure(effectStrength(), { ...half, mask })).toBeCloseTo(0.75, 5)
  })

  test('no tensor is kept', async () => {
    const [output, input, target] = ['o', 'i', 't'].map(seed => randomImages([2, 5, 4, 3], seed))
    const mask = randomImages([2, 5, 4, 1], 'm')
    const before = tf.memory().numTensors
    for (const metric of [identitySimilarity(colours), effectStrength(), effectDirection({ embedder: colours })]) {
      await metric.add({ output: output!, input, target, mask })
    }
    await expect(effectStrength().add({ output: output!, input })).rejects.toThrow(/lacks target/)
    expect(tf.memory().numTensors).toBe(before)
  })
})
