import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Checkpoint, loadFloat32 } from '@fx/weights'
import { openCheckpoint } from '@fx/weights/node'
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import '@tensorflow/tfjs-backend-wasm'
import { type EncoderFamily, mobilenetEncoder } from '@fx/mobilenet-encoder'
import { loadEncoderWeights } from '@fx/mobilenet-encoder/weights'
import { input, type LayersModel, model, type SymbolicTensor } from '@tensorflow/tfjs-layers'
import { beforeAll, describe, expect, test } from 'vitest'

const path = (file: string) => fileURLToPath(new URL(`./fixtures/${file}`, import.meta.url))

interface Golden {
  family: EncoderFamily
  width: number
  convention: 'keras' | 'timm'
  weights: string[]
  expected: string
  /** Names of the layers that give the expected maps, which Keras's V3 has before the activation; else the features do. */
  taps?: string[]
  sizes: string[]
  unused: number
}

const goldens: Golden[] = [
  {
    family: 'v1',
    width: 0.1,
    convention: 'keras',
    weights: ['keras_mobilenet_v1.h5', 'keras_mobilenet_v1.keras'],
    expected: 'keras_mobilenet_v1.expected.safetensors',
    taps: ['conv_pw_1_relu', 'conv_pw_3_relu', 'conv_pw_5_relu', 'conv_pw_11_relu', 'conv_pw_13_relu'],
    sizes: ['48x48', '43x51'],
    unused: 0,
  },
  {
    family: 'v2',
    width: 0.1,
    convention: 'keras',
    weights: ['keras_mobilenet_v2.h5'],
    expected: 'keras_mobilenet_v2.expected.safetensors',
    taps: [
      'block_1_expand_relu',
      'block_3_expand_relu',
      'block_6_expand_relu',
      'block_13_expand_relu',
      'block_16_project_BN',
    ],
    sizes: ['48x48', '43x51'],
    unused: 5,
  },
  {
    family: 'v3-small',
    width: 0.1,
    convention: 'keras',
    weights: ['keras_mobilenet_v3_small.h5'],
    expected: 'keras_mobilenet_v3_small.expected.safetensors',
    taps: ['conv_bn', 'expanded_conv_project_bn', 'expanded_conv_2_add', 'expanded_conv_7_add', 'conv_1_bn'],
    sizes: ['48x48', '43x51'],
    unused: 0,
  },
  ...(
    [
      ['v1', 'mobilenetv1', 0.1],
      ['v2', 'mobilenetv2', 0.1],
      ['v3-small', 'mobilenetv3_small', 0.15],
      ['v3-large', 'mobilenetv3_large', 0.12],
      ['v4-conv-small', 'mobilenetv4_conv_small', 0.1],
    ] as const
  ).map(
    ([family, file, width]): Golden => ({
      family,
      width,
      convention: 'timm',
      weights: [`${file}.timm.safetensors`],
      expected: `${file}.expected.safetensors`,
      sizes: ['64x64', '51x67'],
      unused: 0,
    }),
  ),
]

const tensorOf = async (checkpoint: Checkpoint, name: string): Promise<tf.Tensor> => {
  const stored = checkpoint.tensors.get(name)!
  return tf.tensor(await loadFloat32(stored), [...stored.shape])
}

const encoderModel = ({ family, width, convention, taps }: Golden, height: number, side: number): LayersModel => {
  const encoder = mobilenetEncoder({
    family,
    width,
    convention,
    ...(convention === 'keras' && { padding: 'keras' as const }),
  })
  const image = input({ shape: [height, side, 3] })
  const features = model({ inputs: image, outputs: encoder.apply(image) })
  if (!taps) return features
  return model({ inputs: image, outputs: taps.map(name => features.getLayer(name).output as SymbolicTensor) })
}

/** An encoder with its five features. */
const whole = (golden: Golden): LayersModel => {
  const image = input({ shape: [48, 48, 3] })
  const { family, width, convention } = golden
  return model({ inputs: image, outputs: mobilenetEncoder({ family, width, convention }).apply(image) })
}

describe.each(['cpu', 'wasm'])('on %s', backend => {
  beforeAll(async () => {
    await tf.setBackend(backend)
    await tf.ready()
  })

  const cases = goldens.flatMap(golden =>
    golden.weights.flatMap(weights => golden.sizes.map(size => [weights, size, golden] as const)),
  )
  test.each(cases)('%s gives its own features at %s', async (weights, size, golden) => {
    const before = tf.memory().numTensors
    const expected = await openCheckpoint(path(golden.expected))
    const layout = golden.convention === 'timm' ? [0, 2, 3, 1] : [0, 1, 2, 3]
    const given = await tensorOf(expected, `${size}.input`)
    const picture = tf.transpose(given, layout)
    const network = encoderModel(golden, picture.shape[1]!, picture.shape[2]!)
    const checkpoint = await openCheckpoint(path(weights))
    const report = await loadEncoderWeights(network, checkpoint)
    await checkpoint.close()
    expect(report.loaded.length).toBe(network.weights.length)
    expect(report.missing).toEqual([])
    expect(report.notes).toEqual([])
    const features = network.predict(picture) as tf.Tensor[]
    const names = golden.taps ?? [0, 1, 2, 3, 4].map(tap => `tap${tap}`)
    for (const [i, name] of names.entries()) {
      const wanted = await tensorOf(expected, `${size}.${name}`)
      const got = tf.tidy(() => {
        const error = tf.max(tf.abs(tf.sub(features[i]!, tf.transpose(wanted, layout))))
        return tf.div(error, tf.maximum(1, tf.max(tf.abs(wanted)))).dataSync()[0]!
      })
      expect(features[i]!.shape).toEqual(layout.map(axis => wanted.shape[axis]))
      expect(got, name).toBeLessThan(2e-4)
      wanted.dispose()
    }
    await expected.close()
    network.dispose()
    tf.dispose([given, picture, features])
    expect(tf.memory().numTensors).toBe(before)
  })
})

test.each(goldens.flatMap(golden => golden.weights.map(file => [file, golden] as const)))(
  '%s leaves nothing of the encoder out, and only its head unused',
  async (file, golden) => {
    const network = whole(golden)
    const report = await loadEncoderWeights(network, await openCheckpoint(readFileSync(path(file))))
    expect(report.loaded.length).toBe(network.weights.length)
    expect(report.unused.length, report.formatted).toBe(golden.unused)
    network.dispose()
  },
)
