import * as tf from '@tensorflow/tfjs-core'
import { expect, test } from 'vitest'
import { randomImages, readFixture } from '../../test/helpers.js'
import { expectClose, onEachBackend } from '../../test/suite.js'
import { hwio, nchw, pix2pixHdVariables, unitImages } from '../../test/torch-kernels.js'
import { multiScaleDiscriminator, patchDiscriminator } from '../adversarial.js'
import { loadVariables, saveVariables } from '../index.js'

const sizes = (maps: tf.Tensor4D[]): number[] => maps.map(map => map.shape[1])

onEachBackend(() => {
  const fixture = readFixture('patchgan_pix2pix.safetensors')
  const golden = (name: string) => fixture[`D.${name}`]!.data
  /** What the student was shown, and its answer. */
  const conditional = (): [tf.Tensor4D, tf.Tensor4D] =>
    tf.tidy(() => {
      const [input, images] = tf.split(unitImages(fixture.x!), 2, 3) as [tf.Tensor4D, tf.Tensor4D]
      return [input, images]
    })
  const ends = () => ({
    'conv0.kernel': hwio(fixture['D.0.weight']!),
    'conv0.offset': golden('0.bias'),
    'conv4.kernel': hwio(fixture['D.11.weight']!),
    'conv4.offset': golden('11.bias'),
  })

  test('logits equal pix2pix with the statistics of the batch', () => {
    const network = patchDiscriminator({ filters: 5, norm: 'batch', inputChannels: 3 })
    loadVariables(network, {
      ...ends(),
      ...Object.fromEntries(
        [1, 2, 3].flatMap(layer => [
          [`conv${layer}.kernel`, hwio(fixture[`D.${3 * layer - 1}.weight`]!)],
          [`conv${layer}.scale`, golden(`${3 * layer}.weight`)],
          [`conv${layer}.offset`, golden(`${3 * layer}.bias`)],
        ]),
      ),
    })
    const [input, images] = conditional()
    const [maps] = network.features(images, input)
    expect(sizes(maps!)).toEqual([24, 12, 6, 5, 4])
    expectClose(nchw(maps!.at(-1)!), fixture.logits_train_mode!.data, { atol: 2e-5, rtol: 1e-4 })
    network.dispose()
  })

  test('logits equal pix2pix with running statistics, which are a part of the convolutions then', () => {
    const network = patchDiscriminator({ filters: 5, norm: 'none', inputChannels: 3 })
    const folded = [1, 2, 3].flatMap(layer => {
      const [norm, conv] = [`${3 * layer}`, `D.${3 * layer - 1}.weight`]
      const factors = golden(`${norm}.weight`).map((w, c) => w / Math.sqrt(golden(`${norm}.running_var`)[c]! + 1e-5))
      const offset = golden(`${norm}.bias`).map((b, c) => b - golden(`${norm}.running_mean`)[c]! * factors[c]!)
      const kernel = hwio(fixture[conv]!).map((w, i) => w * factors[i % factors.length]!)
      return [
        [`conv${layer}.kernel`, kernel],
        [`conv${layer}.offset`, offset],
      ]
    })
    loadVariables(network, { ...ends(), ...Object.fromEntries(folded) })
    const [input, images] = conditional()
    const logits = network.features(images, input)[0]!.at(-1)!
    expectClose(nchw(logits), fixture.logits_eval!.data, { atol: 2e-5, rtol: 1e-4 })
    network.dispose()
  })

  test('features of two scales equal pix2pixHD', () => {
    const hd = readFixture('patchgan_pix2pixhd.safetensors')
    const network = multiScaleDiscriminator({ filters: 4, padding: 2, channels: 6 })
    loadVariables(network, pix2pixHdVariables(hd))
    for (const images of ['real', 'fake']) {
      const maps = network.features(unitImages(hd[images]!))
      for (const [name, expected] of Object.entries(hd)) {
        const [, kind, scale, layer] = /^(real|fake)_features\.(\d)\.(\d)$/.exec(name) ?? []
        if (kind !== images) continue
        expectClose(nchw(maps[Number(scale)]![Number(layer)]!), expected.data, { atol: 2e-5, rtol: 1e-4 })
      }
    }
    network.dispose()
  })

  test('the smallest images are taken, any smaller are refused by their least size', () => {
    const cases = [
      patchDiscriminator({ filters: 1 }),
      patchDiscriminator({ filters: 1, padding: 2 }),
      patchDiscriminator({ filters: 1, layers: 1, norm: 'batch' }),
      multiScaleDiscriminator({ filters: 1, scales: 2 }),
      multiScaleDiscriminator({ filters: 1, scales: 3, padding: 2 }),
    ]
    expect(cases.map(network => network.smallestSide)).toEqual([24, 1, 6, 47, 1])
    for (const network of cases) {
      const side = network.smallestSide
      const maps = network.features(tf.zeros([1, side, side, 3]))
      for (const map of maps.flat()) expect(map.dataSync().every(Number.isFinite)).toBe(true)
      const small = () => network.features(tf.zeros([1, side - 1, side, 3]))
      if (side > 1) expect(small).toThrow(`at least ${side} pixels on each side, got ${side - 1}x${side}`)
      network.dispose()
    }
  })
})

test('wrong images, inputs and options are refused', () => {
  const network = patchDiscriminator({ filters: 1, layers: 1, inputChannels: 4 })
  const images = tf.zeros([2, 8, 8, 3]) as tf.Tensor4D
  const refuses = (call: () => unknown, code: string, message: string) => {
    expect(call).toThrow(expect.objectContaining({ code, message: expect.stringContaining(message) }))
  }
  const shape = 'shape-mismatch'
  refuses(() => network.features(images), 'invalid-argument', 'pass that as the option input')
  refuses(() => network.features(images, images), shape, 'must be [2, 8, 8, 4], got [2, 8, 8, 3]')
  refuses(() => network.features(tf.zeros([2, 8, 8, 4])), shape, 'must be [N, H, W, 3], got [2, 8, 8, 4]')
  refuses(() => network.features(tf.zeros([8, 8, 3]) as never), shape, 'must be [N, H, W, 3]')
  refuses(() => patchDiscriminator({ layers: 0 }), 'invalid-argument', 'patchDiscriminator: layers is 0')
  refuses(() => patchDiscriminator({ norm: 'group' as never }), 'invalid-argument', 'patchDiscriminator: norm')
  refuses(() => patchDiscriminator({ padding: 3 as never }), 'invalid-argument', 'padding is 3')
  refuses(() => multiScaleDiscriminator({ scales: 9 }), 'invalid-argument', 'multiScaleDiscriminator: scales is 9')
  refuses(() => multiScaleDiscriminator({ filters: 0.5 }), 'invalid-argument', 'multiScaleDiscriminator: filters')
})

test('variables are drawn by seed, on first use, and freed', async () => {
  const before = tf.memory().numTensors
  const network = patchDiscriminator({ filters: 8, norm: 'batch', seed: 'a' })
  const again = patchDiscriminator({ filters: 8, norm: 'batch', seed: 'a' })
  const other = patchDiscriminator({ filters: 8, norm: 'batch', seed: 'b' })
  expect(tf.memory().numTensors).toBe(before)
  expect(Object.keys(network.variables())).toHaveLength(13)
  const values = await saveVariables(network)
  expect(await saveVariables(again)).toEqual(values)
  expect(await saveVariables(other)).not.toEqual(values)
  const kernel = values['conv3.kernel']!
  const mean = kernel.reduce((a, b) => a + b) / kernel.length
  const deviation = Math.sqrt(kernel.reduce((a, b) => a + (b - mean) ** 2, 0) / kernel.length)
  expect(Math.abs(mean)).toBeLessThan(3e-4)
  expect(Math.abs(deviation - 0.02)).toBeLessThan(3e-4)
  const images = randomImages([1, 24, 24, 3], 'x')
  const held = tf.memory().numTensors
  const maps = network.features(images)
  expect(tf.memory().numTensors).toBe(held + 5)
  tf.dispose([maps, images])
  for (const each of [network, again, other]) each.dispose()
  expect(tf.memory().numTensors).toBe(before)
})
