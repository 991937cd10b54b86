import { FxError, seededRandom } from '@fx/core'
import { bytesSource, type Checkpoint, encodeSafetensors, openCheckpoint } from '@fx/weights'
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { type MobilenetEncoderOptions, mobilenetEncoder } from '@fx/mobilenet-encoder'
import {
  imagenetNormalization,
  type LoadEncoderWeightsOptions,
  loadEncoderWeights,
  normalizeInput,
  symmetricNormalization,
} from '@fx/mobilenet-encoder/weights'
import { input, type LayersModel, layers, model, type SymbolicTensor } from '@tensorflow/tfjs-layers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

let before: number
beforeEach(() => {
  before = tf.memory().numTensors
})
afterEach(() => expect(tf.memory().numTensors).toBe(before))

const small = { width: 0.1, depth: 0.3 }

const encoderModel = (options: MobilenetEncoderOptions = small, channels = 3, seed = 1): LayersModel => {
  const image = input({ shape: [32, 32, channels] })
  return model({ inputs: image, outputs: mobilenetEncoder(options).apply(image, { seed }) })
}

/** Statistics as training leaves them, so that batch normalisations do something, and residual blocks are open. */
const trained = (options: MobilenetEncoderOptions = small, channels = 3, seed = 7): LayersModel => {
  const network = encoderModel(options, channels, seed)
  tf.tidy(() => {
    network.weights.forEach((weight, i) => {
      if (!/gamma|beta|moving/.test(weight.originalName)) return
      const low = /beta|mean/.test(weight.originalName) ? -0.3 : 0.7
      weight.write(tf.randomUniform(weight.shape.map(Number), low, low + 0.6, 'float32', 1 + i))
    })
  })
  return network
}

type Rename = (name: string) => string

/** A model's weights as a checkpoint, with `/` between layer and weight. */
const checkpointOf = async (network: LayersModel, rename: Rename = name => name): Promise<Checkpoint> =>
  openCheckpoint(
    bytesSource(
      encodeSafetensors(
        network.weights.map(weight => [
          rename(weight.originalName),
          { shape: weight.shape.map(Number), data: weight.read().dataSync<'float32'>() },
        ]),
      ),
    ),
  )

const valuesOf = (network: LayersModel): Map<string, number[]> =>
  new Map(network.weights.map(weight => [weight.originalName, [...weight.read().dataSync()]]))

const picture = (channels = 3): tf.Tensor4D => tf.randomUniform([1, 32, 32, channels], 0, 1, 'float32', 3)

const difference = (a: tf.Tensor, b: tf.Tensor): number => tf.tidy(() => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0]!)

const refused = async (
  network: LayersModel,
  checkpoint: Checkpoint,
  options?: LoadEncoderWeightsOptions,
): Promise<FxError> => {
  const held = valuesOf(network)
  const tensors = tf.memory().numTensors
  const error = await loadEncoderWeights(network, checkpoint, options).then(
    () => undefined,
    cause => cause,
  )
  expect(FxError.isInstance(error)).toBe(true)
  expect(valuesOf(network)).toEqual(held)
  expect(tf.memory().numTensors).toBe(tensors)
  return error
}

describe('weights that do not fit are refused in words, and the model is as it was', () => {
  test.each([
    [
      { family: 'v2', width: 0.35 },
      { family: 'v2', width: 0.2 },
      'These are the weights of a MobileNetV2 of width 0.35 with 17 blocks; this encoder is a MobileNetV2 of width 0.2 with 17 blocks',
    ],
    [
      { family: 'v1', width: 0.25 },
      { family: 'v2', width: 0.1 },
      'of a MobileNetV1 of width 0.25 with 13 blocks; this encoder is a MobileNetV2 of width 0.1 with 17 blocks',
    ],
    [
      { family: 'v3-large', width: 0.1 },
      { family: 'v3-small', width: 0.1 },
      'of a MobileNetV3 large of width 0.1 with 15 blocks; this encoder is a MobileNetV3 small',
    ],
    [
      { family: 'v4-conv-medium', width: 0.1, depth: 0.1 },
      { family: 'v4-conv-small', width: 0.1, depth: 0.1 },
      'of a MobileNetV4 conv medium of width 0.1',
    ],
    [
      { family: 'v1', width: 0.1 },
      { family: 'v1', width: 0.1, depth: 0.5 },
      'MobileNetV1 of width 0.1 with 13 blocks; this encoder is a MobileNetV1 of width 0.1 with 7 blocks',
    ],
  ] as [MobilenetEncoderOptions, MobilenetEncoderOptions, string][])('%o for %o', async (theirs, ours, message) => {
    const [source, network] = [encoderModel(theirs), encoderModel(ours)]
    const error = await refused(network, await checkpointOf(source))
    expect(error).toMatchObject({ code: 'shape-mismatch', details: { expected: { blocks: expect.any(Number) } } })
    expect(error.message).toContain(message)
    source.dispose()
    network.dispose()
  })

  test('another network, a missing weight, a broken one, a wrong option', async () => {
    const [source, network] = [trained(), encoderModel()]
    const other = await checkpointOf(source, name => `resnet/${name.replace('Conv1', 'c1').replace('expanded', 'e')}`)
    expect(await refused(network, other)).toMatchObject({ code: 'unsupported' })

    const lacking = await checkpointOf(source, name => name.replace('block_2_project_BN/beta', 'gone'))
    expect(await refused(network, lacking)).toMatchObject({
      code: 'not-found',
      message: expect.stringContaining("'block_2_project_BN/beta'"),
    })

    const weight = source.weights.find(({ originalName }) => originalName === 'bn_Conv1/moving_variance')!
    for (const value of [Number.NaN, -1]) {
      tf.tidy(() => void weight.write(tf.fill(weight.shape.map(Number), value)))
      const error = await refused(network, await checkpointOf(source))
      expect(error).toMatchObject({ code: 'corrupt-file' })
      expect(error.message).toContain(`'bn_Conv1/moving_variance' has the value ${value}`)
    }
    const sound = await checkpointOf(network)
    for (const options of [
      { partial: 1 },
      { adaptInputChannels: 'yes' },
      { foldNormalization: { mean: [1, 2], std: 1 } },
    ])
      expect(await refused(network, sound, options as never)).toMatchObject({ code: 'invalid-argument' })
    const image = input({ shape: [8, 8, 3] })
    const plain = model({
      inputs: image,
      outputs: layers.conv2d({ filters: 1, kernelSize: 1 }).apply(image) as SymbolicTensor,
    })
    expect((await refused(plain, sound)).message).toContain('no layers with the names')
    for (const one of [source, network, plain]) one.dispose()
  })
})

test('what is there is loaded with partial, the rest keeps its values, and the report says so', async () => {
  const [source, network] = [trained(), encoderModel()]
  const held = valuesOf(network)
  const lacking = await checkpointOf(source, name => name.replace(/^block_2_/, 'other_'))
  const report = await loadEncoderWeights(network, lacking, { partial: true })
  const [now, theirs] = [valuesOf(network), valuesOf(source)]
  for (const [name, values] of now)
    expect(values, name).toEqual((name.startsWith('block_2_') ? held : theirs).get(name))
  expect(report.missing.length + report.loaded.length).toBe(network.weights.length)
  expect(report.missing).toContain('block_2_expand/kernel (not in the checkpoint)')
  expect(report.unused).toContain('other_expand/kernel')
  expect(report.formatted).toMatch(
    /^MobileNetV2 of width 0.1 with \d+ blocks: \d+ weights loaded\n15 kept: block_2_expand/,
  )
  source.dispose()
  network.dispose()
})

test('layers may be inside of another model, or have the names of Keras 2', async () => {
  const nested = trained()
  const own = encoderModel()
  await loadEncoderWeights(own, await checkpointOf(nested, name => `mobilenetv2_1.00_224/${name}`))
  expect(valuesOf(own)).toEqual(valuesOf(nested))
  const options = { family: 'v3-small', width: 0.1, depth: 0.3 } as const
  const [source, network] = [trained(options), encoderModel(options)]
  const old = (name: string): string =>
    name
      .replace(/_(expand|depthwise|project)(?=[_/])/, '/$1')
      .replace(/_squeeze_excite_conv/, '/squeeze_excite/Conv')
      .replace(/_bn\//, '/BatchNorm/')
      .replace(/^conv/, 'Conv')
  const checkpoint = await checkpointOf(source, old)
  expect([...checkpoint.tensors.keys()]).toEqual(
    expect.arrayContaining(['Conv_1/BatchNorm/gamma', 'expanded_conv/squeeze_excite/Conv_1/bias']),
  )
  await loadEncoderWeights(network, checkpoint)
  expect(valuesOf(network)).toEqual(valuesOf(source))
  for (const one of [nested, own, source, network]) one.dispose()
})

test('of a training checkpoint of timm the averaged weights are taken', async () => {
  const options = { family: 'v4-conv-small', width: 0.1, depth: 0.1 } as const
  const [source, network] = [trained(options), encoderModel(options)]
  const torch: Record<string, string> = { gamma: 'weight', beta: 'bias', moving_mean: 'running_mean' }
  const stored = ['state_dict', 'state_dict_ema'].flatMap((prefix, i) =>
    source.weights.map(weight => {
      const [layer, name] = weight.originalName.split('/') as [string, string]
      const values = tf.tidy(() => {
        const value = i === 0 ? tf.zerosLike(weight.read()) : weight.read()
        if (name === 'kernel') return tf.transpose(value, [3, 2, 0, 1]).clone()
        return name === 'depthwise_kernel' ? tf.transpose(value, [2, 3, 0, 1]) : value.clone()
      })
      const parameter = torch[name] ?? (name === 'moving_variance' ? 'running_var' : 'weight')
      const entry = { shape: values.shape, data: values.dataSync<'float32'>() }
      values.dispose()
      return [`${prefix}.module.${layer}.${parameter}`, entry] as const
    }),
  )
  const report = await loadEncoderWeights(network, await openCheckpoint(encodeSafetensors(stored)))
  expect(valuesOf(network)).toEqual(valuesOf(source))
  expect(report.notes).toEqual([])
  source.dispose()
  network.dispose()
})

test('the note tells of constants that do not go with the weights', async () => {
  const [source, network] = [trained(), encoderModel({ ...small, convention: 'timm' })]
  const { notes } = await loadEncoderWeights(network, await checkpointOf(source))
  expect(notes).toEqual([expect.stringContaining('epsilon 1e-3; this encoder has 0.00001')])
  source.dispose()
  network.dispose()
})

describe('other numbers of input channels', () => {
  test('are adapted only when asked, and only those', async () => {
    const [source, network] = [trained(), encoderModel(small, 4)]
    const checkpoint = await checkpointOf(source)
    const error = await refused(network, checkpoint)
    expect(error).toMatchObject({ code: 'shape-mismatch' })
    expect(error.message).toContain(
      "'Conv1/kernel' is [3, 3, 3, 8] in the checkpoint and [3, 3, 4, 8] in the encoder; adaptInputChannels",
    )
    source.dispose()
    network.dispose()
  })

  test('one: a grey image gives what it gave in colour; six: an image twice gives what it gave once', async () => {
    const [source, grey, twice] = [trained(), encoderModel(small, 1), encoderModel(small, 6)]
    const checkpoint = await checkpointOf(source)
    const report = await loadEncoderWeights(grey, checkpoint, { adaptInputChannels: true })
    expect(report.adapted).toEqual(['Conv1 is adapted from 3 to 1 input channels.'])
    await loadEncoderWeights(twice, checkpoint, { adaptInputChannels: true })
    tf.tidy(() => {
      const last = (network: LayersModel, image: tf.Tensor) => (network.predict(image) as tf.Tensor[])[4]!
      const one = picture(1)
      expect(difference(last(grey, one), last(source, tf.concat([one, one, one], 3)))).toBeLessThan(1e-4)
      const three = picture(3)
      expect(difference(last(twice, tf.concat([three, three], 3)), last(source, three))).toBeLessThan(1e-4)
    })
    for (const one of [source, grey, twice]) one.dispose()
  })
})

describe.each([
  ['symmetric', symmetricNormalization],
  ['ImageNet', imagenetNormalization],
])('the input normalization, %s', (_, normalization) => {
  const wanted = (network: LayersModel, image: tf.Tensor): tf.Tensor[] => {
    const { mean, std } = normalization
    return network.predict(tf.div(tf.sub(image, mean as number[]), std as number[])) as tf.Tensor[]
  }

  test('is exact as a layer', async () => {
    const source = trained()
    const image = input({ shape: [32, 32, 3] })
    const network = model({
      inputs: image,
      outputs: mobilenetEncoder(small).apply(normalizeInput(image, normalization)),
    })
    await loadEncoderWeights(network, await checkpointOf(source))
    tf.tidy(() => {
      const given = picture()
      const features = wanted(source, given)
      const got = network.predict(given) as tf.Tensor[]
      features.forEach((feature, i) => void expect(difference(got[i]!, feature)).toBeLessThan(1e-4))
    })
    source.dispose()
    network.dispose()
  })

  test('folded is exact but at the border that the first window crosses', async () => {
    const [source, network] = [trained(), encoderModel()]
    const report = await loadEncoderWeights(network, await checkpointOf(source), { foldNormalization: normalization })
    expect(report.adapted).toEqual([expect.stringContaining('exact but at the border')])
    tf.tidy(() => {
      const given = picture()
      const [expected, got] = [wanted(source, given)[0]!, (network.predict(given) as tf.Tensor[])[0]!]
      // 'same' adds its one row and column at the end; the depthwise convolution behind sees one more.
      const inner = (map: tf.Tensor) => tf.slice(map, [0, 0, 0, 0], [1, 14, 14, -1])
      expect(difference(inner(expected), inner(got))).toBeLessThan(1e-4)
      expect(difference(expected, got)).toBeGreaterThan(1e-3)
    })
    source.dispose()
    network.dispose()
  })
})

test('parallel branches do not disturb the features of the pretrained convolution', async () => {
  const [source, network] = [trained(), trained({ ...small, branches: 3 }, 3, 9)]
  const report = await loadEncoderWeights(network, await checkpointOf(source))
  expect(report.adapted).toEqual([expect.stringMatching(/^\d+ parallel branches begin with scale and offset 0/)])
  expect(report.loaded.length).toBe(source.weights.length)
  tf.tidy(() => {
    const given = picture()
    const expected = source.predict(given) as tf.Tensor[]
    const got = network.predict(given) as tf.Tensor[]
    expected.forEach((feature, i) => void expect(difference(got[i]!, feature)).toBeLessThan(1e-4))
  })
  source.dispose()
  network.dispose()
})

test('partial does not mix widths', async () => {
  const [source, network] = [
    trained({ family: 'v3-small', width: 0.5 }),
    encoderModel({ family: 'v3-small', width: 0.25 }),
  ]
  const error = await refused(network, await checkpointOf(source), { partial: true })
  expect(error.message).toContain(
    'MobileNetV3 small of width 0.5 with 11 blocks; this encoder is a MobileNetV3 small of width 0.25',
  )
  source.dispose()
  network.dispose()
})

test('of 300 damaged checkpoints each is loaded whole, or refused with a typed error and no change', async () => {
  const options = { family: 'v4-conv-small', width: 0.05, depth: 0.1 } as const
  const [source, network] = [trained(options), encoderModel(options)]
  const original = encodeSafetensors(
    source.weights.map(weight => [
      weight.originalName,
      { shape: weight.shape.map(Number), data: weight.read().dataSync<'float32'>() },
    ]),
  )
  const header = 8 + Number(new DataView(original.buffer, original.byteOffset).getBigUint64(0, true))
  const random = seededRandom('damaged', 1)
  let loaded = 0
  for (let copy = 0; copy < 300; copy++) {
    let bytes = Uint8Array.from(original)
    const kind = random.integer(3)
    if (kind === 0) bytes = bytes.subarray(0, random.integer(bytes.length))
    // In the header names, types and shapes; behind it elements, of which some become infinite or no number at all.
    else bytes[random.integer(kind === 1 ? header : bytes.length)] = random.integer(256)
    const held = valuesOf(network)
    try {
      const report = await loadEncoderWeights(network, await openCheckpoint(bytes))
      expect(report.loaded.length).toBe(network.weights.length)
      loaded++
    } catch (error) {
      expect(FxError.isInstance(error), String(error)).toBe(true)
      expect(valuesOf(network)).toEqual(held)
    }
  }
  expect(Math.min(loaded, 300 - loaded)).toBeGreaterThan(50)
  source.dispose()
  network.dispose()
})
