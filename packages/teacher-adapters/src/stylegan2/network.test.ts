import { prepareBackend } from '@fx/backend'
import { installTrainingKernels } from '@fx/backend/training'
import { seededRandom } from '@fx/core'
import * as tf from '@tensorflow/tfjs-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { generatorConfig, openGolden, readArrays, trainableOf } from '../../test/stylegan2.js'
import {
  randomDiscriminatorWeights,
  randomGeneratorWeights,
  selectWeights,
  stylegan2Discriminator,
  stylegan2Generator,
  toRgbImages,
} from '../stylegan2.js'

const small = { resolution: 16, zDim: 8, wDim: 12, mappingLayers: 3, channelBase: 128, channelMax: 16 }

/** A small generator whose noise, biases and average are not zero. */
const smallGenerator = (options: { trainable?: boolean; cDim?: number } = {}) => {
  const config = { ...small, cDim: options.cDim ?? 0 }
  const weights = randomGeneratorWeights(config, 'test')
  for (const [name, { data }] of weights) {
    const random = seededRandom('not zero', name)
    if (/noise_strength|bias|w_avg/.test(name)) data.set(data.map(v => v + 0.1 * random.normal()))
  }
  return stylegan2Generator({ config, weights, trainable: options.trainable ?? false })
}

const numbers = (tensor: tf.Tensor): number[] => Array.from(tensor.dataSync())
const isFxError = (code: string) => expect.objectContaining({ code })

describe.each(['cpu', 'wasm'] as const)('on %s', backend => {
  let uninstall: () => void
  beforeAll(async () => {
    await prepareBackend({ backend, threads: 1 })
    uninstall = await installTrainingKernels()
  })
  afterAll(() => uninstall())

  /** The slope of `f` along `direction` at `x`, by gradient and by central difference. */
  const slopes = (f: (x: tf.Tensor) => tf.Scalar, x: tf.Tensor, step = 1e-2) => {
    const direction = tf.randomNormal(x.shape, 0, 1, 'float32', 5)
    const unit = tf.div(direction, tf.norm(direction))
    const along = tf.sum(tf.mul(tf.grad(f)(x), unit)).dataSync()[0]!
    const at = (t: number) => f(tf.add(x, tf.mul(unit, t))).dataSync()[0]!
    return { along, numeric: (at(step) - at(-step)) / (2 * step) }
  }

  test('gradients reach z, w, W+ and styles', () => {
    const generator = smallGenerator()
    const z = generator.latents([1, 2])
    const w = generator.mapping(z)
    const target = tf.randomNormal([2, 16, 16, 3], 0, 1, 'float32', 3)
    const judged = (images: tf.Tensor4D) => tf.mean(tf.mul(images, target)) as tf.Scalar
    const cases: [string, (x: tf.Tensor) => tf.Scalar, tf.Tensor][] = [
      ['z', x => judged(generator.generate(x as tf.Tensor2D, { truncation: { psi: 0.8, cutoff: 3 } })), z],
      ['w', x => judged(generator.synthesis(x as tf.Tensor2D)), w],
      ['W+', x => judged(generator.synthesis(x as tf.Tensor3D)), generator.broadcast(w)],
    ]
    const styles = generator.styles(w)
    for (const layer of ['b4.conv1', 'b8.conv0', 'b16.torgb']) {
      cases.push([
        layer,
        x => judged(generator.synthesis({ ...styles, [layer]: x as tf.Tensor2D }, { noise: { seed: 1 } })),
        styles[layer]!,
      ])
    }
    for (const [name, f, x] of cases) {
      const { along, numeric } = slopes(f, x)
      expect(Math.abs(along - numeric), name).toBeLessThan(2e-4 + 0.05 * Math.abs(numeric))
      expect(Math.abs(along), name).toBeGreaterThan(1e-5)
    }
    generator.dispose()
  })

  test('a trainable network computes what a frozen one does, also after a step', async () => {
    const frozen = smallGenerator()
    const trained = smallGenerator({ trainable: true })
    const z = frozen.latents(['a', 'b'])
    expect(numbers(trained.generate(z))).toEqual(numbers(frozen.generate(z)))
    const loss = () => tf.mean(tf.square(trained.generate(z))) as tf.Scalar
    const before = loss().dataSync()[0]!
    const { grads } = tf.variableGrads(loss, trainableOf(trained))
    tf.train.sgd(1e-3).applyGradients(grads)
    expect(loss().dataSync()[0]!).toBeLessThan(before)
    const again = stylegan2Generator({ config: small, weights: await trained.weights() })
    expect(numbers(again.generate(z))).toEqual(numbers(trained.generate(z)))
    for (const generator of [frozen, trained, again]) generator.dispose()
  })

  test('weights come back as they were given', async () => {
    for (const name of ['uncond', 'cond'] as const) {
      const golden = openGolden(name)
      const networks = { 'G.': golden.generator, 'D.': golden.discriminator }
      for (const [prefix, network] of Object.entries(networks)) {
        const given = [...selectWeights(golden.arrays, prefix)].filter(([key]) => !key.endsWith('resample_filter'))
        const weights = await network.weights()
        expect(weights.size).toBe(given.length)
        for (const [key, { shape, data }] of given) {
          expect(weights.get(key)!.shape, key).toEqual(shape)
          expect(weights.get(key)!.data, key).toEqual(data)
        }
      }
      golden.dispose()
    }
  })

  test('an image does not depend on the batch it is made in', async () => {
    const generator = smallGenerator()
    const make = async (seeds: number[]) =>
      toRgbImages(generator.generate(generator.latents(seeds), { noise: { seeds } }))
    const [, second] = await make([3, 4])
    const [alone] = await make([4])
    expect(alone).toMatchObject({ width: 16, height: 16 })
    // Another order of summation may turn a rounding.
    expect(second!.data.every((v, i) => Math.abs(v - alone!.data[i]!) <= 1)).toBe(true)
    const w = generator.mapping(generator.latents([1]))
    const draw = (seed: number) => numbers(generator.synthesis(w, { noise: { seed } }))
    expect(draw(1)).toEqual(draw(1))
    expect(draw(1)).not.toEqual(draw(2))
    expect(draw(1)).not.toEqual(numbers(generator.synthesis(w, { noise: 'none' })))
    generator.dispose()
  })

  test('images are the same without the kernels of @fx/backend', async () => {
    const config = { ...small, convClamp: 2 }
    const weights = randomGeneratorWeights(config, 'test')
    for (const [name, { data }] of weights) if (/noise_strength|bias/.test(name)) data.fill(0.3)
    const generator = stylegan2Generator({ config, weights })
    const z = generator.latents([1, 2])
    const draw = () =>
      (['none', 'const', { seeds: [1, 2] }] as const).map(noise => generator.generate(z, { noise }).dataSync())
    const fused = draw()
    uninstall()
    const plain = draw()
    uninstall = await installTrainingKernels()
    for (const [i, values] of plain.entries()) {
      expect(values.every((v, at) => Math.abs(v - fused[i]![at]!) < 1e-5)).toBe(true)
    }
    generator.dispose()
  })

  test('drawn noise is normal', () => {
    const weights = randomGeneratorWeights({ ...small, resolution: 64, channelBase: 64, channelMax: 1 }, 1)
    const zero = /const|bias|torgb|fc/
    for (const [name, { data }] of weights) if (zero.test(name)) data.fill(0)
    // Noise is all that is left: 1.25 times its own leaky relu, through one channel of weight 1.
    weights.get('synthesis.b64.conv1.noise_strength')!.data[0] = 1
    weights.get('synthesis.b64.torgb.weight')!.data.fill(1)
    weights.get('synthesis.b64.torgb.affine.bias')!.data.fill(1)
    const generator = stylegan2Generator({
      config: { ...small, resolution: 64, channelBase: 64, channelMax: 1 },
      weights,
    })
    const image = numbers(generator.synthesis(tf.zeros([1, 12]) as tf.Tensor2D, { noise: { seed: 1 } }))
    const noise = image.filter((_, i) => i % 3 === 0).map(v => (v > 0 ? v : 5 * v) / Math.SQRT2)
    const mean = noise.reduce((a, b) => a + b) / noise.length
    const variance = noise.reduce((a, b) => a + (b - mean) ** 2, 0) / noise.length
    expect(Math.abs(mean)).toBeLessThan(0.05)
    expect(Math.abs(variance - 1)).toBeLessThan(0.08)
    generator.dispose()
  })

  test('style mixing and the average w', () => {
    const generator = smallGenerator({ trainable: true })
    const w = generator.mapping(generator.latents([1, 2]))
    const [first, second] = [generator.broadcast(w), generator.broadcast(tf.reverse(w, 0))]
    const mixed = generator.mix(first, second, 2).arraySync()
    expect(mixed[0]![1]).toEqual(first.arraySync()[0]![1])
    expect(mixed[0]![2]).toEqual(second.arraySync()[0]![2])
    expect(numbers(generator.mix(first, second, 0))).toEqual(numbers(second))
    expect(numbers(generator.truncate(first, {}))).toEqual(numbers(first))
    const average = generator.parameters.get('mapping.w_avg')!
    const before = numbers(average)
    const mean = numbers(tf.mean(w, 0))
    generator.updateAverage(w, 0.75)
    for (const [i, v] of numbers(average).entries()) expect(v).toBeCloseTo(0.75 * before[i]! + 0.25 * mean[i]!, 5)
    const truncated = generator.truncate(w, { psi: 0 })
    expect(numbers(truncated).slice(0, 12)).toEqual(numbers(average))
    generator.dispose()
  })

  test('nothing is left behind', async () => {
    const start = tf.memory().numTensors
    for (const trainable of [false, true]) {
      const { generator, discriminator, dispose } = openGolden('uncond', trainable)
      const [z, labels] = [generator.latents([1, 2]), tf.zeros([2, 3]) as tf.Tensor2D]
      const run = async () => {
        const images = generator.generate(z, { truncation: { psi: 0.5 }, noise: { seed: 1 } })
        const logits = discriminator.logits(images)
        await toRgbImages(images)
        expect(() => generator.generate(z, { labels })).toThrow(isFxError('invalid-argument'))
        tf.dispose([images, logits])
      }
      await run()
      const held = tf.memory().numTensors
      await run()
      expect(tf.memory().numTensors).toBe(held)
      tf.dispose([z, labels])
      dispose()
    }
    expect(() => stylegan2Generator({ config: small, weights: new Map() })).toThrow(isFxError('not-found'))
    expect(tf.memory().numTensors).toBe(start)
  })

  test('the clamp spares the path past a residual block, as in the reference', () => {
    const config = { resolution: 16, channelBase: 64, channelMax: 4, convClamp: 2 }
    const images = tf.randomNormal([2, 16, 16, 3], 0, 1, 'float32', 4) as tf.Tensor4D
    const logits = (gain: number) => {
      const weights = randomDiscriminatorWeights(config, 'skip')
      const scaled = (name: string, by: number) => {
        const { data } = weights.get(name)!
        data.set(data.map(value => value * by))
      }
      // All that flows on is what the first block lets past, large by `gain` until the second block undoes it.
      for (const block of ['b16', 'b8']) scaled(`${block}.conv1.weight`, 0)
      scaled('b16.skip.weight', gain)
      scaled('b8.skip.weight', 1 / gain)
      const discriminator = stylegan2Discriminator({ config, weights })
      const result = numbers(discriminator.logits(images))
      discriminator.dispose()
      return result
    }
    logits(1024).forEach((value, i) => void expect(value).toBeCloseTo(logits(1)[i]!, 5))
  })

  test('a discriminator with several maps of deviation and groups', () => {
    const config = { resolution: 16, channelBase: 128, channelMax: 16, mbstdGroupSize: 2, mbstdChannels: 4 }
    const discriminator = stylegan2Discriminator({ config, weights: randomDiscriminatorWeights(config, 1) })
    const images = tf.randomNormal([4, 16, 16, 3], 0, 1, 'float32', 1) as tf.Tensor4D
    const all = numbers(discriminator.logits(images))
    // With groups of two in a batch of four, image n is compared with image n + 2.
    const pair = tf.gather(images, [1, 3])
    const alone = numbers(discriminator.logits(pair))
    for (const i of [0, 1]) expect(alone[i]).toBeCloseTo(all[2 * i + 1]!, 4)
    discriminator.dispose()
  })
})

test('the same seed gives the same weights; every size has its rows and channels', () => {
  const [a, b] = [randomGeneratorWeights(small, 7), randomGeneratorWeights(small, 7)]
  expect(a).toEqual(b)
  expect(a).not.toEqual(randomGeneratorWeights(small, 8))
  const thin = { zDim: 4, wDim: 4, mappingLayers: 1, channelBase: 1024, channelMax: 2 }
  const counts = [16, 32, 64, 128, 256].map(resolution => {
    const config = { ...thin, resolution }
    const generator = stylegan2Generator({ config, weights: randomGeneratorWeights(config, 1) })
    const { numWs, layers } = generator
    expect(layers.at(-1)).toMatchObject({ name: `b${resolution}.torgb`, row: numWs - 1 })
    generator.dispose()
    return numWs
  })
  expect(counts).toEqual([6, 8, 10, 12, 14])
  const weights = randomGeneratorWeights({ ...thin, resolution: 64, channelBase: 256, channelMax: 32 }, 1)
  const width = (resolution: number) => weights.get(`synthesis.b${resolution}.conv1.bias`)!.shape
  expect([4, 8, 16, 32, 64].map(width)).toEqual([[32], [32], [16], [8], [4]])
})

describe('what does not fit is refused, by name', () => {
  beforeAll(async () => {
    await prepareBackend({ backend: 'cpu' })
  })

  test('configurations', () => {
    const weights = new Map()
    const make = (config: Partial<typeof small>) => () =>
      stylegan2Generator({ config: { ...small, ...config }, weights })
    expect(make({ resolution: 48 })).toThrow(/resolution must be 16, 32, 64, 128, 256, 512 or 1024, got 48/)
    expect(make({ mappingLayers: 0 })).toThrow(/mappingLayers is 0/)
    expect(make({ wDim: 2.5 })).toThrow(/wDim is 2.5/)
    expect(make({ channelBase: 8 })).toThrow(/channelBase is 8/)
    expect(() => stylegan2Discriminator({ config: { resolution: 16, mbstdChannels: 3 }, weights })).toThrow(
      /mbstdChannels must divide the 512 channels at 4x4, got 3/,
    )
    expect(() => randomGeneratorWeights({ ...small, convClamp: 0 }, 1)).toThrow(/convClamp must be positive/)
  })

  test('weights', () => {
    const given = () => selectWeights(readArrays('uncond.safetensors'), 'G.')
    const make = (change: (weights: ReturnType<typeof given>) => void) => () => {
      const weights = given()
      change(weights)
      return stylegan2Generator({ config: generatorConfig, weights })
    }
    const name = 'synthesis.b8.conv0.weight'
    expect(make(weights => weights.delete(name))).toThrow(
      expect.objectContaining({ code: 'not-found', message: expect.stringContaining(name) }),
    )
    const { data } = given().get(name)!
    expect(make(weights => weights.set(name, { shape: [32, 32, 9], data }))).toThrow(
      expect.objectContaining({ code: 'shape-mismatch', message: expect.stringContaining('[32, 32, 3, 3]') }),
    )
    expect(make(weights => weights.set(name, { shape: [32, 32, 3, 3], data: data.slice(1) }))).toThrow(/9215 values/)
    expect(make(weights => weights.set('mapping.embed.weight', { shape: [1], data }))).toThrow(
      expect.objectContaining({ code: 'invalid-argument', message: expect.stringContaining('mapping.embed.weight') }),
    )
    const filter = 'synthesis.b8.conv0.resample_filter'
    expect(make(weights => weights.set(filter, { shape: [4, 4], data: new Float32Array(16) }))).toThrow(
      isFxError('unsupported'),
    )
  })

  test('tensors', () => {
    const generator = smallGenerator({ cDim: 2 })
    const z = generator.latents([1, 2])
    const labels = tf.eye(2)
    const shape = isFxError('shape-mismatch')
    const argument = isFxError('invalid-argument')
    expect(() => generator.mapping(tf.zeros([2, 9]), labels)).toThrow(/z must be \[N, 8\], got \[2, 9\]/)
    expect(() => generator.mapping(z)).toThrow(/needs labels of shape \[2, 2\]/)
    expect(() => generator.mapping(z, tf.zeros([2, 3]))).toThrow(shape)
    const wPlus = generator.broadcast(generator.mapping(z, labels))
    expect(() => generator.synthesis(tf.zeros([2, 5, 12]) as tf.Tensor3D)).toThrow(/W\+ must be \[N, 6, 12\]/)
    expect(() => generator.truncate(wPlus, { cutoff: 7 })).toThrow(argument)
    expect(() => generator.truncate(wPlus, { psi: Number.NaN })).toThrow(argument)
    expect(() => generator.mix(wPlus, wPlus, -1)).toThrow(argument)
    expect(() => generator.synthesis(wPlus, { noise: { seeds: [1] } })).toThrow(/1 noise seeds for 2 images/)
    expect(() => generator.synthesis(wPlus, { noise: 'loud' as never })).toThrow(/noise must be/)
    const { 'b8.conv0': _, ...styles } = generator.styles(wPlus)
    expect(() => generator.synthesis(styles)).toThrow(/lack 'b8.conv0'/)
    expect(() => generator.synthesis({ ...styles, 'b8.conv0': tf.zeros([1, 16]) })).toThrow(shape)
    expect(() => generator.updateAverage(tf.zeros([1, 12]))).toThrow(argument)
    const { discriminator } = openGolden('uncond')
    expect(() => discriminator.logits(tf.zeros([1, 16, 16, 3]))).toThrow(/images must be \[N, 32, 32, 3\]/)
    expect(() => discriminator.logits(tf.zeros([6, 32, 32, 3]))).toThrow(/6 images cannot be split into groups of 4/)
    expect(() => discriminator.logits(tf.zeros([1, 32, 32, 3]), labels as tf.Tensor2D)).toThrow(argument)
    discriminator.dispose()
  })
})
