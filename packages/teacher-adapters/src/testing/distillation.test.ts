import { type BackendName, prepareBackend } from '@fx/backend'
import { seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { expect, test } from 'vitest'
import { dusk } from '../../test/broken-teachers.js'
import { collect } from '../../test/collect.js'
import { landscapes } from '../../test/example-teacher.js'
import type { TeacherPair } from '../index.js'
import { distil } from './distillation.js'

const pairsOf = (size: number, parameters: 'default' | 'sampled' = 'default'): Promise<TeacherPair[]> =>
  collect(landscapes().pairs({ effect: dusk, size, seeds: Array.from({ length: 16 }, (_, i) => i), parameters }))

const learn = (pairs: TeacherPair[], margin: number) => distil(pairs.slice(4), pairs.slice(0, 4), margin)

test.each<BackendName>(['wasm', 'cpu'])('on %s an effect is learned, and nothing is left behind', async backend => {
  await prepareBackend({ backend, threads: 1 })
  await learn(await pairsOf(8), 0.1)
  const { numTensors } = tf.memory()
  const { loss, bar, steps } = await learn(await pairsOf(16), 0.3)
  expect(tf.memory().numTensors).toBe(numTensors)
  expect(bar).toBeCloseTo(0.7 * Math.min(loss.identity, loss.mean), 9)
  expect(loss.network).toBeLessThanOrEqual(bar)
  expect(steps).toBeLessThanOrEqual(200)
})

test('values of parameters tell how far the effect goes; larger pictures are learned small', async () => {
  await prepareBackend({ backend: 'wasm', threads: 1 })
  const { loss, bar } = await learn(await pairsOf(40, 'sampled'), 0.5)
  expect(loss.network).toBeLessThanOrEqual(bar)
})

test('neither a blank target nor noise about the input counts as learned', async () => {
  await prepareBackend({ backend: 'wasm', threads: 1 })
  const pairs = await pairsOf(16)
  const changed = (value: (data: Uint8Array, i: number) => number) =>
    pairs.map(pair => ({
      ...pair,
      target: { ...pair.target, data: pair.input.data.map((_, i) => value(pair.input.data, i)) },
    }))
  const random = seededRandom('noise')
  for (const [target, pixel] of [
    ['grey noise', () => random.integer(256)],
    ['noise', (data: Uint8Array, i: number) => Math.min(255, data[i]! + random.integer(41) - 20)],
  ] as const) {
    const { loss, bar, steps } = await learn(changed(pixel), 0.1)
    expect(loss.network, target).toBeGreaterThan(bar)
    expect(steps).toBe(200)
  }
})
