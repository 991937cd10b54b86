import { readFileSync } from 'node:fs'
import { prepareBackend } from '@fx/backend'
import { type Checkpoint, encodeSafetensors, openCheckpoint, type WritableTensor } from '@fx/weights'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { readArrays } from '../../test/stylegan2.js'
import {
  encodeStylegan2,
  type NamedWeights,
  randomDiscriminatorWeights,
  randomGeneratorWeights,
  readStylegan2,
  selectWeights,
  stylegan2Discriminator,
  stylegan2Generator,
} from '../stylegan2.js'

const bytesOf = (name: string): Uint8Array =>
  readFileSync(
    name.startsWith('cond')
      ? new URL(`../../fixtures/stylegan2/${name}`, import.meta.url)
      : new URL(`../../../weights/fixtures/${name}`, import.meta.url),
  )
const open = (name: string): Promise<Checkpoint> => openCheckpoint(bytesOf(name))

beforeAll(async () => {
  await prepareBackend({ backend: 'cpu' })
})
let tensorsBefore: number
beforeEach(() => {
  tensorsBefore = tf.memory().numTensors
})

const golden = readArrays('uncond.safetensors')
const expected = { generator: selectWeights(golden, 'G.'), discriminator: selectWeights(golden, 'D.') }

/** Equality bit for bit; `toEqual` walks large arrays slowly. */
const sameBits = (a: Float32Array, b: Float32Array): boolean =>
  Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength))

const expectSameWeights = (actual: NamedWeights, wanted: NamedWeights) => {
  expect([...actual.keys()].sort()).toEqual([...wanted.keys()].sort())
  for (const [name, { shape, data }] of wanted) {
    expect(actual.get(name)!.shape, name).toEqual(shape)
    expect(sameBits(actual.get(name)!.data, data), name).toBe(true)
  }
}

/** Every array of the golden, bit for bit; TensorFlow stores style biases less 1, in float32. */
const expectGolden = (weights: NamedWeights, network: keyof typeof expected, tensorflow = false) => {
  const wanted = new Map([...expected[network]].filter(([name]) => !name.endsWith('resample_filter')))
  if (tensorflow) {
    for (const [name, reference] of wanted) {
      if (!name.endsWith('affine.bias')) continue
      const given = weights.get(name)!
      const worst = given.data.reduce((most, value, i) => Math.max(most, Math.abs(value - reference.data[i]!)), 0)
      expect(worst, name).toBeLessThan(2e-7)
      wanted.set(name, given)
    }
  }
  expectSameWeights(weights, wanted)
}

/** An image and a logit through the public interface, and nothing left behind. */
const outputsOf = ({ generator, discriminator }: Awaited<ReturnType<typeof readStylegan2>>) =>
  tf.tidy(() => {
    const live = stylegan2Generator(generator)
    const images = live.generate(live.latents([1]), { truncation: { psi: 0.7, cutoff: 4 } })
    const judge = discriminator && stylegan2Discriminator(discriminator)
    const logits = judge?.logits(images).dataSync()[0]
    const values = images.dataSync() as Float32Array
    live.dispose()
    judge?.dispose()
    return { values, logits }
  })

const config = { resolution: 32, imageChannels: 3, cDim: 0, channelBase: 1024, channelMax: 32, zDim: 32, wDim: 32 }
const judged = { resolution: 32, imageChannels: 3, cDim: 0, channelBase: 512, channelMax: 16, mbstdGroupSize: 4 }

describe('one network in every layout', () => {
  let reference: ReturnType<typeof outputsOf>
  beforeAll(async () => {
    reference = outputsOf(await readStylegan2(await open('uncond.ada.pkl'), { discriminator: true }))
  })

  test.each([
    // file, name, clamp, whether it has a discriminator, what it lacks
    ['uncond.ada.pkl', 'G_ema', 256, true, []],
    ['uncond.weights.safetensors', 'G_ema', null, true, []],
    ['uncond.tf.pkl', 'Gs', null, true, []],
    ['uncond.ros.pt', 'g_ema', null, true, ['mapping.w_avg']],
    ['uncond.ros_legacy.pt', 'g_ema', null, false, []],
  ] as const)('%s', async (file, name, convClamp, hasDiscriminator, substituted) => {
    const read = await readStylegan2(await open(file), { discriminator: hasDiscriminator })
    expect(tf.memory().numTensors).toBe(tensorsBefore)
    expect(read.generator).toMatchObject({ name, substituted })
    expect(read.generator.config).toEqual({ ...config, mappingLayers: 2, convClamp })
    const { weights } = read.generator
    if (substituted.length > 0) {
      // Truncation leads to the average, so that the images are compared with the average of the others.
      const measured = weights.get('mapping.w_avg')!
      expect(Math.max(...measured.data)).toBeGreaterThan(0)
      weights.set('mapping.w_avg', expected.generator.get('mapping.w_avg')!)
    }
    const tensorflow = file.endsWith('tf.pkl')
    expectGolden(weights, 'generator', tensorflow)
    if (read.discriminator) {
      expect(read.discriminator.config).toMatchObject({ ...judged, convClamp })
      expectGolden(read.discriminator.weights, 'discriminator')
    }
    const { values, logits } = outputsOf(read)
    if (tensorflow) {
      const worst = values.reduce((most, value, i) => Math.max(most, Math.abs(value - reference.values[i]!)), 0)
      expect(worst).toBeLessThan(2e-5)
    } else {
      expect(sameBits(values, reference.values)).toBe(true)
      if (hasDiscriminator) expect(logits).toBe(reference.logits)
    }
    expect(tf.memory().numTensors).toBe(tensorsBefore)
  })

  test('the generator of the last step, by its name', async () => {
    const averaged = await readStylegan2(await open('uncond.ada.pkl'))
    const last = await readStylegan2(await open('uncond.ada.pkl'), { network: 'G' })
    expect(averaged.discriminator).toBeUndefined()
    expect(last.generator.name).toBe('G')
    expect(last.generator.config).toEqual(averaged.generator.config)
    expect(last.generator.weights.get('mapping.w_avg')).not.toEqual(averaged.generator.weights.get('mapping.w_avg'))
    const tensorflow = await readStylegan2(await open('uncond.tf.pkl'), { network: 'G' })
    expect(tensorflow.generator.name).toBe('G')
  })

  test('a conditional pickle, whose discriminator maps labels', async () => {
    const { generator, discriminator } = await readStylegan2(await open('cond.ada.pkl'), { discriminator: true })
    expect(generator.config).toEqual({ ...config, cDim: 3, mappingLayers: 2, convClamp: 256 })
    expect(discriminator!.config).toMatchObject({ ...judged, cDim: 3, mappingLayers: 8, convClamp: 256 })
  })
})

describe('safetensors of our own', () => {
  const read = async () => readStylegan2(await open('cond.ada.pkl'), { discriminator: true })
  const reopened = async (bytes: Uint8Array) => readStylegan2(await openCheckpoint(bytes), { discriminator: true })

  test('gives back what was written, configuration and all', async () => {
    const { generator, discriminator } = await read()
    const networks = { generator, discriminator: discriminator! }
    const bytes = encodeStylegan2(networks, { metadata: { licence: 'CC0-1.0' } })
    expect(Buffer.compare(encodeStylegan2(networks, { metadata: { licence: 'CC0-1.0' } }), bytes)).toBe(0)
    expect((await openCheckpoint(bytes)).metadata).toMatchObject({ licence: 'CC0-1.0', 'stylegan2.version': '1' })
    const again = await reopened(bytes)
    expect(again.generator.config).toEqual(generator.config)
    expect(again.discriminator!.config).toEqual(discriminator!.config)
    expectSameWeights(again.generator.weights, generator.weights)
    expectSameWeights(again.discriminator!.weights, discriminator!.weights)
    const alone = await readStylegan2(await openCheckpoint(encodeStylegan2({ generator })))
    expect(alone.generator.weights.size).toBe(generator.weights.size)
  })

  test('float16 halves the file and keeps eleven bits', async () => {
    const { generator, discriminator } = await read()
    const networks = { generator, discriminator: discriminator! }
    const bytes = encodeStylegan2(networks, { dtype: 'float16' })
    expect(bytes.length / encodeStylegan2(networks).length).toBeLessThan(0.55)
    for (const [name, { data }] of (await reopened(bytes)).generator.weights) {
      const given = generator.weights.get(name)!.data
      const kept = data.every((value, i) => Math.abs(value - given[i]!) <= Math.abs(given[i]!) * 2 ** -11 + 2 ** -25)
      expect(kept, name).toBe(true)
    }
  })

  const small = { resolution: 16, zDim: 4, wDim: 4, mappingLayers: 1, channelBase: 32, channelMax: 4 }
  const tiny = () => ({ config: small, weights: randomGeneratorWeights(small, 1) })

  test('what cannot be written', () => {
    const generator = tiny()
    expect(() => encodeStylegan2({ generator }, { metadata: { 'stylegan2.x': '' } })).toThrow(/'stylegan2.x' is taken/)
    generator.weights.get('mapping.fc0.weight')!.data[0] = 1e5
    expect(() => encodeStylegan2({ generator }, { dtype: 'float16' })).toThrow(/mapping.fc0.weight .* too large/)
    generator.weights.delete('mapping.w_avg')
    expect(() => encodeStylegan2({ generator })).toThrow(expect.objectContaining({ code: 'not-found' }))
  })

  test.each([
    ['newer-version', 'stylegan2.version', '"1"', '"2"'],
    ['corrupt-file', 'no configuration', '\\"zDim\\"', '\\"qDim\\"'],
    ['unsupported', 'resolution must be', '\\"resolution\\":16', '\\"resolution\\":17'],
  ])('%s', async (code, message, from, to) => {
    const bytes = Buffer.from(encodeStylegan2({ generator: tiny() }))
    const at = bytes.indexOf(from)
    bytes.write(to, at)
    const failure = expect.objectContaining({ code, message: expect.stringContaining(message.replace(/.*\./, '')) })
    await expect(openCheckpoint(bytes).then(checkpoint => readStylegan2(checkpoint))).rejects.toThrow(failure)
  })
})

/** A checkpoint of plain arrays. */
const arraysOnly = (weights: NamedWeights, prefix = 'G_ema.'): Promise<Checkpoint> =>
  openCheckpoint(
    encodeSafetensors([...weights].map(([name, weight]): [string, WritableTensor] => [prefix + name, weight])),
  )

describe('what the shapes tell', () => {
  test.each([
    [{ resolution: 64, channelBase: 512, channelMax: 24, zDim: 6, wDim: 5, mappingLayers: 3 }],
    [
      {
        resolution: 16,
        channelBase: 200,
        channelMax: 512,
        zDim: 6,
        wDim: 5,
        mappingLayers: 1,
        cDim: 2,
        imageChannels: 1,
      },
    ],
  ])('%j', async given => {
    const { zDim: _z, wDim: _w, mappingLayers: _m, ...shared } = given
    const generator = randomGeneratorWeights(given, 1)
    const discriminator = randomDiscriminatorWeights({ ...shared, mbstdChannels: 2, mappingLayers: 2 }, 1)
    const both = new Map([
      ...[...generator].map(([name, weight]) => [`G_ema.${name}`, weight] as const),
      ...[...discriminator].map(([name, weight]) => [`D.${name}`, weight] as const),
    ])
    const read = await readStylegan2(await arraysOnly(both, ''), { discriminator: true })
    // Another base may give the same table: what counts is that the same weights fit.
    const { channelBase, channelMax, ...others } = given
    expect(read.generator.config).toMatchObject(others)
    expect(read.discriminator!.config).toMatchObject({ resolution: given.resolution, mbstdChannels: 2 })
    stylegan2Generator({ config: read.generator.config, weights: generator }).dispose()
    const judge = { ...read.discriminator!.config, mappingLayers: 2 }
    stylegan2Discriminator({ config: judge, weights: discriminator }).dispose()
    expect(tf.memory().numTensors).toBe(tensorsBefore)
  })

  test('a file that is one network', async () => {
    const { generator } = await readStylegan2(await arraysOnly(expected.generator, ''))
    expect(generator.name).toBe('')
    expectGolden(generator.weights, 'generator')
  })

  test('buffers that are missing are made, always the same, and named', async () => {
    const weights = new Map([...expected.generator].filter(([name]) => !/noise_const|w_avg/.test(name)))
    const first = (await readStylegan2(await arraysOnly(weights))).generator
    const second = (await readStylegan2(await arraysOnly(weights))).generator
    expect(first.substituted).toHaveLength(8)
    expect(first.substituted).toContain('synthesis.b32.conv0.noise_const')
    expectSameWeights(first.weights, second.weights)
    const { data } = first.weights.get('synthesis.b32.conv0.noise_const')!
    expect(data.reduce((sum, value) => sum + value * value, 0) / data.length).toBeCloseTo(1, 0)
    // The mean of other latents than those averaged.
    const live = stylegan2Generator(first)
    const seeds = Array.from({ length: 2000 }, (_, seed) => seed)
    const means = tf.tidy(() => tf.mean(live.mapping(live.latents(seeds)), 0).dataSync())
    live.dispose()
    first.weights.get('mapping.w_avg')!.data.forEach((value, i) => {
      expect(Math.abs(value - means[i]!)).toBeLessThan(0.1)
    })
    expect(tf.memory().numTensors).toBe(tensorsBefore)
  })
})

describe('what is refused, by name', () => {
  const refused = async (checkpoint: Checkpoint | Promise<Checkpoint>, code: string, message: RegExp, options = {}) => {
    await expect(readStylegan2(await checkpoint, options)).rejects.toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    )
    expect(tf.memory().numTensors).toBe(tensorsBefore)
  }
  const changed = (change: (weights: Map<string, { shape: readonly number[]; data: Float32Array }>) => void) => {
    const weights = new Map(expected.generator)
    change(weights)
    return arraysOnly(weights)
  }
  const array = (...shape: number[]) => ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) })

  test('a network that is not there, with those that are', async () => {
    await refused(open('uncond.ada.pkl'), 'not-found', /no generator 'g_ema'; it has 'G' or 'G_ema'/, {
      network: 'g_ema',
    })
    await refused(open('uncond.ros_legacy.pt'), 'not-found', /no discriminator/, { discriminator: true })
  })

  test('a file that ends too early', async () => {
    for (const name of ['uncond.weights.safetensors', 'uncond.ros_legacy.pt', 'uncond.ada.pkl']) {
      const bytes = bytesOf(name)
      const cut = bytes.subarray(0, bytes.length - 1000)
      const reading = openCheckpoint(cut).then(checkpoint => readStylegan2(checkpoint, { discriminator: true }))
      await expect(reading, name).rejects.toThrow(
        expect.objectContaining({ code: 'corrupt-file', details: expect.objectContaining({ truncated: true }) }),
      )
    }
  })

  test('arrays that are missing', async () => {
    await refused(
      changed(weights => weights.delete('synthesis.b16.conv0.weight')),
      'not-found',
      /synthesis\.b16\.conv0\.weight/,
    )
    await refused(
      changed(weights => weights.delete('synthesis.b8.conv1.weight')),
      'not-found',
      /synthesis\.b8\.conv1\.weight/,
    )
    await refused(
      changed(weights => weights.delete('synthesis.b4.const')),
      'not-found',
      /synthesis\.b4\.const/,
    )
  })

  test('other architectures', async () => {
    await refused(
      changed(weights => weights.set('synthesis.b8.skip.weight', array(32, 32, 1, 1))),
      'unsupported',
      /has 'synthesis\.b8\.skip\.weight'/,
    )
    await refused(
      changed(weights => weights.set('synthesis.b8.conv1.weight', array(16, 32, 3, 3))),
      'unsupported',
      /synthesis\.b8\.conv1 of the generator has 16 feature maps/,
    )
    await refused(
      changed(weights => weights.set('mapping.fc0.bias', array(40))),
      'unsupported',
      /mapping\.fc0\.bias .* \[40\]; .* \[32\]/,
    )
    await refused(
      changed(weights => weights.set('synthesis.b4.resample_filter', array(4, 4))),
      'unsupported',
      /filter \[1, 3, 3, 1\]/,
    )
    const threes = new Map([['synthesis.L0_36_512.weight', array(1)]])
    await refused(arraysOnly(threes), 'unsupported', /StyleGAN3 generator \('G_ema\.synthesis\.L0_36_512\.weight'\)/)
    await refused(
      arraysOnly(new Map([['conv.weight', array(1)]])),
      'unsupported',
      /no StyleGAN2 generator.*G_ema\.conv/,
    )
  })

  test.each([
    ['architecture', 'resnet', 'G_ema.synthesis.b8'],
    ['activation', 'relu', 'G_ema.synthesis.b8.conv0'],
    ['use_noise', false, 'G_ema.synthesis.b8.conv0'],
    ['conv_clamp', null, 'G_ema.synthesis.b8.conv0'],
    ['bias_gain', 0.1, 'G_ema.mapping.fc1'],
  ])('a pickle whose modules say %s %s', async (option, value, path) => {
    const checkpoint = await open('uncond.ada.pkl')
    const modules = new Map(checkpoint.modules)
    const info = modules.get(path)!
    modules.set(path, { ...info, attributes: { ...info.attributes, [option]: value } })
    await refused({ ...checkpoint, modules }, 'unsupported', new RegExp(`${path} has ${option}`))
  })

  test.each([
    ['Gs', 'architecture', 'orig'],
    ['Gs', 'resample_kernel', [1, 2, 1]],
    ['Gs', 'mapping_lrmul', 1],
  ])('a TensorFlow pickle: %s, %s %s', async (path, option, value) => {
    const checkpoint = await open('uncond.tf.pkl')
    const modules = new Map(checkpoint.modules)
    const info = modules.get(path)!
    modules.set(path, { ...info, kwargs: { ...info.kwargs, [option]: value } })
    await refused({ ...checkpoint, modules }, 'unsupported', new RegExp(`${path} has ${option}`))
  })

  test('but clamps and groups that can be computed are taken from the modules', async () => {
    const checkpoint = await open('uncond.tf.pkl')
    const modules = new Map(checkpoint.modules)
    const set = (path: string, more: Record<string, number | null>) => {
      const info = modules.get(path)!
      modules.set(path, { ...info, kwargs: { ...info.kwargs, ...more } })
    }
    set('Gs', { conv_clamp: 128 })
    set('D', { conv_clamp: 64, mbstd_group_size: null })
    const { generator, discriminator } = await readStylegan2({ ...checkpoint, modules }, { discriminator: true })
    expect(generator.config.convClamp).toBe(128)
    expect(discriminator!.config).toMatchObject({ convClamp: 64, mbstdGroupSize: 65_536 })
  })
})
