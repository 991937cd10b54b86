import { resolve } from 'node:path'
import { l1, weighted } from '@fx/losses'
import { expect, test } from 'vitest'
import { tinyConfig } from '../../test/fixtures/tiny.js'
import { defineConfig, resolveConfig } from './resolve.js'
import type { DistillConfig } from './types.js'

const config = tinyConfig('run')

test('defaults are filled in and paths become absolute', () => {
  const resolved = resolveConfig(
    defineConfig({ ...config, training: { steps: 500 }, pairs: { ...config.pairs, shards: true } }),
  )
  expect(resolved).toMatchObject({ name: 'blue-disc', seed: 1, out: resolve('run') })
  expect(resolved.pairs).toMatchObject({ shards: resolve('run/pairs'), parameters: 'default', changedThreshold: 8 })
  expect(resolved.training).toMatchObject({ batchSize: 8, warmupSteps: 20, evaluateEvery: 100, changedRegionWeight: 8 })
  expect(resolved.training.augmentation).toEqual({ flip: true, shift: 2, brightness: 0.1, colour: 0.05 })
  expect(resolved.training.loss.names).toEqual(['loss'])
})

test('short runs warm up for a tenth of their steps', () => {
  expect(resolveConfig({ ...config, training: { steps: 50 } }).training.warmupSteps).toBe(5)
})

test('a weighted loss is taken as it is', () => {
  const loss = weighted([{ name: 'near', loss: l1() }])
  expect(resolveConfig({ ...config, training: { steps: 5, loss } }).training.loss).toBe(loss)
})

test.each<[string, Record<string, unknown>, RegExp]>([
  ['an unknown member', { epochs: 3 }, /epochs/],
  ['an unknown training option', { training: { steps: 5, lr: 1 } }, /training: .*lr/],
  ['a missing teacher', { teacher: undefined }, /teacher: .*portraits/],
  ['a teacher that is no function', { teacher: {} }, /must be a function/],
  ['a backend that does not exist', { backend: 'cuda' }, /backend: .*tfjs-node/],
  ['no steps', { training: { steps: 0 } }, /training\.steps/],
  ['a decay of one', { training: { steps: 5, ema: 1 } }, /training\.ema/],
  ['a loss that is none', { training: { steps: 5, loss: 'l1' } }, /must be a loss/],
  ['no held-out pairs', { pairs: { train: 5, heldOut: 0 } }, /pairs\.heldOut/],
  ['a broken effect', { effect: { id: 'Blue Disc', prompt: '', parameters: {} } }, /kebab-case/],
  ['an effect that is missing', { effect: undefined }, /effect/],
])('%s is named', (_, change, message) => {
  const broken = { ...config, ...change } as DistillConfig
  expect(() => resolveConfig(broken)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
  expect(() => resolveConfig(broken)).toThrow(message)
})

test('what is not an object at all is refused too', () => {
  expect(() => resolveConfig(undefined as unknown as DistillConfig)).toThrow(/not valid/)
})
