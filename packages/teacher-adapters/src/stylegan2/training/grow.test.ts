import { prepareBackend } from '@fx/backend'
import { installTrainingKernels } from '@fx/backend/training'
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-layers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { discs, tinyTraining } from '../../../test/discs.js'
import { temporaryFolder } from '../../../test/folder.js'
import { tinyConfig } from '../../../test/tiny-stylegan2.js'
import { randomGeneratorWeights, stylegan2Generator } from '../../stylegan2.js'
import { enlarge, readSnapshot, type Stylegan2TrainingConfig, trainStylegan2 } from '../../stylegan2-training.js'
import { startFrom } from './initial.js'

const at = temporaryFolder()
let uninstall: () => void
beforeAll(async () => {
  await prepareBackend({ backend: 'wasm', threads: 1 })
  uninstall = await installTrainingKernels()
})
afterAll(() => uninstall())

const config = { ...tinyConfig, channelBase: 1024, channelMax: 32 }
const large = { ...config, resolution: 32 }
const small = { config, weights: randomGeneratorWeights(config, 7) }
const grown = () => startFrom('generator', randomGeneratorWeights(large, 3), small.weights)
const options = { seed: 1, steps: 200, batchSize: 4, learningRate: 0.03 }

/** Mean difference to the small generator's images, enlarged, of faces that no step has seen. */
const errorOf = (weights: ReturnType<typeof grown>): number => {
  const [wide, narrow] = [stylegan2Generator({ config: large, weights }), stylegan2Generator(small)]
  const error = tf.tidy(() => {
    const w = wide.mapping(wide.latents([1, 2, 3, 4, 5, 6, 7, 8]))
    const goal = tf.image.resizeNearestNeighbor(narrow.synthesis(w), [32, 32])
    return tf.mean(tf.abs(tf.sub(wide.synthesis(w), goal))).dataSync()[0]!
  })
  for (const each of [wide, narrow]) each.dispose()
  return error
}

test('enlarged, a generator draws what the smaller one draws, as squares, and keeps its lower blocks', async () => {
  const before = tf.memory().numTensors
  const weights = await enlarge({ config: large, weights: grown() }, small, options)
  expect(tf.memory().numTensors).toBe(before)
  // Measured: 0.1056 to 0.0971. A generator with random weights draws noise, the hardest thing to enlarge.
  expect(errorOf(weights)).toBeLessThan(0.95 * errorOf(grown()))
  for (const [name, { data }] of small.weights) expect(weights.get(name)!.data, name).toEqual(data)
})

test('only a larger generator with the same w can be grown', async () => {
  const before = tf.memory().numTensors
  await expect(enlarge(small, small, options)).rejects.toThrow(
    /16 px and 8 values of w cannot be enlarged to one of 16/,
  )
  const signal = AbortSignal.abort()
  const stopped = enlarge({ config: large, weights: grown() }, small, { ...options, signal })
  await expect(stopped).rejects.toMatchObject({ code: 'aborted' })
  expect(tf.memory().numTensors).toBe(before)
})

const trained = async (name: string, change: Partial<Stylegan2TrainingConfig>) => {
  await trainStylegan2(tinyTraining(at(name), 'wasm', { totalImages: 4, frechet: false, ...change }))
  return (await readSnapshot(at(name, 'snapshot.safetensors')))!.trainer.tensors
}

test('a training grows a network, and frozen blocks keep their weights', async () => {
  const first = await trained('first', {})
  const initial = at('first', 'snapshot.safetensors')
  const generator = { ...tinyTraining('', 'wasm').generator, resolution: 32, channelBase: 128 }
  const growing = { initial, generator, images: discs(8), enlarge: { steps: 2 }, freeze: 8 }
  const second = await trained('second', growing)
  const unchanged = (name: string): boolean => String(second.get(name)!.data) === String(first.get(name)!.data)
  for (const name of ['mapping.fc0.weight', 'synthesis.b4.const', 'synthesis.b8.conv1.bias']) {
    expect(unchanged(`G.${name}`), name).toBe(true)
  }
  for (const name of ['G.synthesis.b16.conv1.weight', 'D.b8.conv0.weight']) expect(unchanged(name), name).toBe(false)
  expect(second.get('G.synthesis.b32.torgb.weight')!.data.some(value => value !== 0)).toBe(true)
})

test('the networks may begin with those of two files', async () => {
  await trained('one', {})
  await trained('other', { seed: 9 })
  const still = { learningRate: 1e-12, batchSize: 4 }
  const [g, d] = [at('one', 'snapshot.safetensors'), at('other', 'snapshot.safetensors')]
  const both = await trained('both', { ...still, initial: { generator: g, discriminator: d } })
  const [one, other] = await Promise.all([g, d].map(async path => (await readSnapshot(path))!.trainer.tensors))
  const near = (name: string, from: typeof both): boolean =>
    Math.abs(both.get(name)!.data[5]! - from.get(name)!.data[5]!) < 1e-6
  expect(near('G.synthesis.b16.conv0.weight', one!)).toBe(true)
  expect(near('D.b16.conv0.weight', other!)).toBe(true)
  expect(near('D.b16.conv0.weight', one!)).toBe(false)
})
