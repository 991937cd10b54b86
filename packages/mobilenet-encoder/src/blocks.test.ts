import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { input, model, type SymbolicTensor } from '@tensorflow/tfjs-layers'
import { expect, test } from 'vitest'
import { convBatchNorm, depthwiseSeparable, invertedResidual, layerSeed, makeDivisible } from './index.js'

/** Names of the layers that `block` builds on `[N, 8, 8, 4]`, and its output shape; everything is freed again. */
const built = (block: (x: SymbolicTensor) => SymbolicTensor) => {
  const before = tf.memory().numTensors
  const x = input({ shape: [8, 8, 4] })
  const network = model({ inputs: x, outputs: block(x) })
  const result = { layers: network.layers.slice(1).map(layer => layer.name), shape: network.outputs[0]!.shape }
  network.dispose()
  expect(tf.memory().numTensors).toBe(before)
  return result
}

test('convBatchNorm', () => {
  expect(built(x => convBatchNorm(x, { name: 'a', filters: 6, kernelSize: 3, stride: 2 }))).toEqual({
    layers: ['a', 'a_BN', 'a_relu'],
    shape: [null, 4, 4, 6],
  })
  expect(
    built(x => convBatchNorm(x, { name: 'a', filters: 6, kernelSize: 3, stride: 2, padding: 'symmetric' })).layers,
  ).toEqual(['a_pad', 'a', 'a_BN', 'a_relu'])
  expect(built(x => convBatchNorm(x, { name: 'a', filters: 6, activation: 'linear' })).layers).toEqual(['a', 'a_BN'])
})

test('depthwiseSeparable', () => {
  const half = ['depthwise', 'pointwise'].flatMap(part => [`a_${part}`, `a_${part}_BN`, `a_${part}_relu`])
  expect(built(x => depthwiseSeparable(x, { name: 'a', filters: 6 }))).toEqual({ layers: half, shape: [null, 8, 8, 6] })
})

test('invertedResidual adds its input only where the shapes agree, and expands only when asked', () => {
  const layers = (options: Partial<Parameters<typeof invertedResidual>[1]>) =>
    built(x => invertedResidual(x, { name: 'a', filters: 4, expansion: 2, ...options }))
  expect(layers({}).layers).toContain('a_add')
  expect(layers({}).layers).not.toContain('a_project_relu')
  expect(layers({ stride: 2 })).toMatchObject({ shape: [null, 4, 4, 4] })
  expect(layers({ stride: 2 }).layers).not.toContain('a_add')
  expect(layers({ filters: 6 }).layers).not.toContain('a_add')
  expect(layers({ expansion: 1 }).layers).not.toContain('a_expand')
})

test('an inverted residual that adds its input begins as the identity, any other does not', () => {
  const change = (filters: number) =>
    tf.tidy(() => {
      const x = input({ shape: [6, 6, 4] })
      const network = model({ inputs: x, outputs: invertedResidual(x, { name: 'a', filters, expansion: 2 }) })
      const image = tf.randomUniform([1, 6, 6, 4], 0, 1, 'float32', 1)
      const output = network.apply(image, { training: true }) as tf.Tensor
      const largest = tf.max(tf.abs(filters === 4 ? tf.sub(output, image) : output)).dataSync()[0]
      network.dispose()
      return largest
    })
  expect(change(4)).toBe(0)
  expect(change(6)).toBeGreaterThan(0.1)
})

test('both paddings agree where nothing is strided', () => {
  const run = (padding: 'same' | 'symmetric') =>
    tf.tidy(() => {
      const x = input({ shape: [6, 5, 2] })
      const network = model({ inputs: x, outputs: convBatchNorm(x, { name: 'a', filters: 3, kernelSize: 3, padding }) })
      const output = network.predict(tf.reshape(tf.range(0, 60), [1, 6, 5, 2])) as tf.Tensor
      const values = [...output.dataSync()]
      network.dispose()
      return values
    })
  expect(run('same')).toEqual(run('symmetric'))
})

test('makeDivisible rounds to the nearest multiple and never loses more than a tenth', () => {
  expect([0, 3, 11.2, 12, 44.8, 33.6, 90].map(value => makeDivisible(value))).toEqual([8, 8, 16, 16, 48, 32, 88])
  for (let value = 1; value < 400; value++) expect(makeDivisible(value)).toBeGreaterThanOrEqual(0.9 * value)
})

test('layer seeds differ by layer and by seed, and are never 0', () => {
  const seeds = [layerSeed(0, 'a'), layerSeed(0, 'b'), layerSeed(1, 'a')]
  expect(new Set(seeds).size).toBe(3)
  expect(layerSeed(0, 'a')).toBe(seeds[0])
  for (const seed of seeds) expect(seed).toBeGreaterThan(0)
})
