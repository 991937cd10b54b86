import { prepareBackend } from '@fx/backend'
import { installTrainingKernels } from '@fx/backend/training'
import '@tensorflow/tfjs-layers'
import * as tf from '@tensorflow/tfjs-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { captionedDiscs, tinyUnet, wordEncoder } from '../../../test/tiny-imagen.js'
import { resolveUnetConfig } from '../../imagen.js'
import { captionEmbedder, createImagenTrainer, type ImagenTrainerOptions } from '../../imagen-training.js'

let uninstall: () => void
beforeAll(async () => {
  await prepareBackend({ backend: 'wasm', threads: 1 })
  uninstall = await installTrainingKernels()
})
afterAll(() => uninstall())

const options = (change: Partial<ImagenTrainerOptions> = {}): ImagenTrainerOptions => ({
  stage: { resolution: 8 },
  unet: resolveUnetConfig({ ...tinyUnet, sampleSize: 8 }),
  seed: 1,
  batchSize: 4,
  schedule: 'squaredcos_cap_v2',
  objective: 'v',
  minSnrGamma: 5,
  captionDropout: 0.1,
  learningRate: { peak: 1e-3, warmUp: 0 },
  clipNorm: 1,
  emaHalfLife: 400,
  ...change,
})
const batch = (step: number) =>
  captionedDiscs().load(
    [0, 1, 2, 3].map(i => 4 * step + i),
    8,
  )

/** Trains so many steps; gives the figures of each. */
const steps = async (count: number, change: Partial<ImagenTrainerOptions> = {}, encoder = wordEncoder()) => {
  const trainer = createImagenTrainer(options(change), captionEmbedder(encoder, 8))
  const figures = []
  for (let step = 0; step < count; step++) figures.push(await trainer.train(await batch(step)))
  const { tensors } = await trainer.save()
  trainer.dispose()
  return { figures, tensors }
}

test.each([
  [0, [0, 0]],
  [1, [40, 40]],
  [0.25, [2, 20]],
])('captions are dropped with a chance of %s', async (captionDropout, [least, most]) => {
  const dropped: string[] = []
  const embedder = captionEmbedder(wordEncoder(), 8)
  const spy = {
    embed: (captions: readonly string[]) => {
      dropped.push(...captions.filter(caption => caption === ''))
      return embedder.embed(captions)
    },
  }
  const trainer = createImagenTrainer(options({ captionDropout }), spy)
  for (let step = 0; step < 10; step++) await trainer.train(await batch(step))
  trainer.dispose()
  expect(dropped.length).toBeGreaterThanOrEqual(least!)
  expect(dropped.length).toBeLessThanOrEqual(most!)
})

test('a caption is embedded once, its embedding that of the encoder, and the text reaches the weights', async () => {
  const encoder = wordEncoder()
  const { tensors } = await steps(4, { captionDropout: 0 }, encoder)
  expect(encoder.encoded.flat().sort()).toEqual(['a blue disc', 'a green disc', 'a red disc'])
  const embedder = captionEmbedder(encoder, 8)
  const both = await embedder.embed(['a red disc', '', 'a red disc'])
  const direct = await encoder.encode(['', 'a red disc'])
  expect(both.shape).toEqual([3, 4, 8])
  const [of, by] = [both.arraySync(), direct.arraySync()]
  expect(of).toEqual([by[1], by[0], by[1]])
  tf.dispose([both, direct])
  const shouted = { ...encoder, encode: (prompts: readonly string[]) => encoder.encode(prompts.map(p => `${p}!`)) }
  const other = await steps(4, { captionDropout: 0 }, shouted)
  const name = 'unet.encoder_hid_proj.weight'
  expect(other.tensors.get(name)!.data).not.toEqual(tensors.get(name)!.data)
})

test('the learning rate rises, stays, or falls along a cosine; gradients are cut', async () => {
  const rates = async (learningRate: ImagenTrainerOptions['learningRate']) =>
    (await steps(5, { learningRate })).figures.map(figure => figure.learningRate)
  expect(await rates({ peak: 1, warmUp: 16 })).toEqual([0.25, 0.5, 0.75, 1, 1])
  const falling = await rates({ peak: 1, warmUp: 4, until: 20 })
  const expected = [1, 1, 0.853553, 0.5, 0.146447]
  falling.forEach((rate, step) => {
    expect(rate).toBeCloseTo(expected[step]!, 5)
  })
  // Adam forgets the scale of all gradients alike, but not that of the first to that of the second.
  const [free, cut] = [await steps(2, { clipNorm: false }), await steps(2, { clipNorm: 0.01 })]
  expect(cut.figures[0]!.gradientNorm).toBe(free.figures[0]!.gradientNorm)
  expect(cut.tensors.get('unet.conv_out.weight')!.data).not.toEqual(free.tensors.get('unet.conv_out.weight')!.data)
})

test.each(['v', 'eps', 'x0'] as const)('%s: the loss falls on drawn discs', async objective => {
  const { figures } = await steps(50, { objective, learningRate: { peak: 0.01, warmUp: 0 } })
  const mean = (part: typeof figures) => part.reduce((sum, { loss }) => sum + loss, 0) / part.length
  // Measured: to 0.5, 0.25 and 0.25 of the first.
  expect(mean(figures.slice(-15))).toBeLessThan(0.65 * mean(figures.slice(0, 5)))
})

test('what cannot be trained on is refused, and leaves no tensors', async () => {
  const before = tf.memory().numTensors
  const trainer = createImagenTrainer(options(), captionEmbedder(wordEncoder(), 8))
  const own = tf.memory().numTensors
  const [image] = await batch(0)
  const { caption: _, ...bare } = image!
  await expect(trainer.train([bare])).rejects.toMatchObject({
    code: 'invalid-argument',
    message: expect.stringMatching(/has no caption/),
  })
  await expect(trainer.train(await captionedDiscs().load([0], 16))).rejects.toMatchObject({ code: 'shape-mismatch' })
  expect(tf.memory().numTensors).toBe(own)
  trainer.dispose()
  const narrow = captionEmbedder(wordEncoder(), 6)
  await expect(narrow.embed(['a'])).rejects.toThrow(/'words' gave \[1, 4, 8\].*encoderHidDim is 6/)
  const words = wordEncoder()
  const unpadded = captionEmbedder(
    { ...words, encode: async prompts => tf.zeros([prompts.length, prompts[0]!.length, 8]) },
    8,
  )
  ;(await unpadded.embed(['ab'])).dispose()
  await expect(unpadded.embed(['abc'])).rejects.toMatchObject({ code: 'shape-mismatch' })
  const saved = await (async () => {
    const made = createImagenTrainer(options(), captionEmbedder(words, 8))
    const state = await made.save()
    made.dispose()
    return state
  })()
  const wide = resolveUnetConfig({ ...tinyUnet, sampleSize: 8, blockOutChannels: [16, 16] })
  expect(() => createImagenTrainer(options({ unet: wide }), captionEmbedder(words, 8), saved)).toThrow(
    expect.objectContaining({ code: 'shape-mismatch' }),
  )
  expect(tf.memory().numTensors).toBe(before)
})
