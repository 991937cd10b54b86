import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { input, layers, model, type SymbolicTensor } from '@tensorflow/tfjs-layers'
import { expect, test } from 'vitest'
import {
  type Activation,
  activate,
  activations,
  convBatchNorm,
  depthwiseSeparable,
  fusedInvertedResidual,
  invertedResidual,
  layerSeed,
  makeDivisible,
  squeezeExcite,
  type UniversalInvertedBottleneckOptions,
  universalInvertedBottleneck,
} from './index.js'

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

test('universalInvertedBottleneck has the depthwise convolutions asked for, and the last of them strides', () => {
  const names = (options: Partial<UniversalInvertedBottleneckOptions>) => {
    const { layers, shape } = built(x =>
      universalInvertedBottleneck(x, { name: 'a', filters: 6, expansion: 3, stride: 2, ...options }),
    )
    expect(shape).toEqual(options.stride === 1 ? [null, 8, 8, options.filters ?? 6] : [null, 4, 4, 6])
    return layers.filter(name => !name.endsWith('_BN'))
  }
  expect(names({})).toEqual(['a_pw_exp', 'a_pw_exp_relu', 'a_dw_mid', 'a_dw_mid_relu', 'a_pw_proj'])
  expect(names({ startKernelSize: 5, middleKernelSize: 0, padding: 'symmetric' })).toEqual([
    'a_dw_start_pad',
    'a_dw_start',
    'a_pw_exp',
    'a_pw_exp_relu',
    'a_pw_proj',
  ])
  expect(names({ startKernelSize: 3, padding: 'symmetric' })).toEqual([
    'a_dw_start',
    'a_pw_exp',
    'a_pw_exp_relu',
    'a_dw_mid_pad',
    'a_dw_mid',
    'a_dw_mid_relu',
    'a_pw_proj',
  ])
  expect(names({ middleKernelSize: 0, stride: 1, filters: 4 }).at(-1)).toBe('a_add')
  expect(() => names({ middleKernelSize: 0 })).toThrow(/'a' has stride 2 and no depthwise convolution/)
})

test('fusedInvertedResidual expands and strides in one convolution', () => {
  expect(built(x => fusedInvertedResidual(x, { name: 'a', filters: 6, expansion: 4, stride: 2 }))).toEqual({
    layers: ['a_expand', 'a_expand_BN', 'a_expand_relu', 'a_project', 'a_project_BN'],
    shape: [null, 4, 4, 6],
  })
  const { layers } = built(x => fusedInvertedResidual(x, { name: 'a', filters: 4, expansion: 4 }))
  expect(layers.at(-1)).toBe('a_add')
})

/** What a block of no state does to `image`. */
const computed = (image: tf.Tensor4D, block: (x: SymbolicTensor) => SymbolicTensor): number[] =>
  tf.tidy(() => {
    const x = input({ shape: image.shape.slice(1) })
    const network = model({ inputs: x, outputs: block(x) })
    const values = [...(network.predict(image) as tf.Tensor).dataSync()]
    network.dispose()
    return values
  })

test('activations are those of the papers', () => {
  const values = [-7, -3, -2, -0.5, 0, 1, 2.5, 3, 6, 8]
  const image = tf.tensor4d(values, [1, 1, 10, 1])
  const relu6 = (x: number) => Math.min(6, Math.max(0, x))
  const formulas: Record<Activation, (x: number) => number> = {
    relu: x => Math.max(0, x),
    relu6,
    hardSwish: x => (x * relu6(x + 3)) / 6,
    linear: x => x,
  }
  for (const activation of activations) {
    computed(image, x => activate(layers.add({}).apply([x, x]) as SymbolicTensor, activation, 'a')).forEach(
      (value, i) => void expect(value, activation).toBeCloseTo(formulas[activation](2 * values[i]!), 5),
    )
  }
  image.dispose()
})

test('squeezeExcite multiplies each channel by one number, its gate', () => {
  const image = tf.randomUniform([1, 5, 4, 16], 0.5, 1, 'float32', 1) as tf.Tensor4D
  const source = image.dataSync()
  const ratios = computed(image, x => squeezeExcite(x, { name: 'a' })).map((value, i) => value / source[i]!)
  ratios.forEach((ratio, i) => {
    expect(ratio).toBeCloseTo(ratios[i % 16]!, 5)
    expect(ratio >= 0 && ratio <= 1).toBe(true)
  })
  expect(new Set(ratios.slice(0, 16).map(ratio => ratio.toFixed(4))).size).toBeGreaterThan(4)
  image.dispose()
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
