import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import '@tensorflow/tfjs-backend-wasm'
import { type EncoderFamily, mobilenetEncoder } from '@fx/mobilenet-encoder'
import { input, type LayersModel, model } from '@tensorflow/tfjs-layers'
import { beforeAll, describe, expect, test } from 'vitest'
import { readSafetensors, type StoredTensor } from './safetensors.js'
import { timmModule } from './timm-names.js'

const fixture = (name: string) => readSafetensors(new URL(`./fixtures/${name}.safetensors`, import.meta.url))

const parameterNames: Record<string, string> = {
  kernel: 'weight',
  depthwise_kernel: 'weight',
  bias: 'bias',
  gamma: 'weight',
  beta: 'bias',
  moving_mean: 'running_mean',
  moving_variance: 'running_var',
}

const asTensor = ({ shape, values }: StoredTensor, kerasName: string): tf.Tensor => {
  const tensor = tf.tensor(values, shape)
  if (kerasName === 'kernel') return tf.transpose(tensor, [2, 3, 1, 0])
  if (kerasName === 'depthwise_kernel') return tf.transpose(tensor, [2, 3, 0, 1])
  return tensor
}

/** Gives every weight its value; returns the names of the stored tensors that were wanted. */
const loadTimm = (network: LayersModel, family: EncoderFamily, stored: Map<string, StoredTensor>): string[] => {
  const module = timmModule(family)
  const names: string[] = []
  const values = network.weights.map(weight => {
    const [layer, name] = weight.originalName.split('/') as [string, string]
    const wanted = `${module(layer)}.${parameterNames[name]}`
    names.push(wanted)
    expect([...stored.keys()]).toContain(wanted)
    return asTensor(stored.get(wanted)!, name)
  })
  network.setWeights(values)
  return names
}

const goldens: [EncoderFamily, string, number][] = [
  ['v1', 'mobilenetv1', 0.1],
  ['v2', 'mobilenetv2', 0.1],
  ['v3-small', 'mobilenetv3_small', 0.15],
  ['v3-large', 'mobilenetv3_large', 0.12],
  ['v4-conv-small', 'mobilenetv4_conv_small', 0.1],
]

describe.each(['cpu', 'wasm'])('on %s', backend => {
  beforeAll(async () => {
    await tf.setBackend(backend)
    await tf.ready()
  })

  const cases = goldens.flatMap(golden => ['64x64', '51x67'].map(size => [...golden, size] as const))
  test.each(cases)('%s with the weights of timm (%s, width %s) computes what timm computes, at %s', (...golden) => {
    const [family, file, width, size] = golden
    const before = tf.memory().numTensors
    tf.tidy(() => {
      const encoder = mobilenetEncoder({ family, width, convention: 'timm' })
      const expected = fixture(`${file}.expected`)
      const picture = expected.get(`${size}.input`)!
      const [, , height, side] = picture.shape as [number, number, number, number]
      const image = input({ shape: [height, side, 3] })
      const network = model({ inputs: image, outputs: encoder.apply(image) })
      const stored = fixture(`${file}.timm`)
      // PyTorch also counts the batches each batch normalisation has seen.
      const parameters = [...stored.keys()].filter(name => !name.endsWith('num_batches_tracked'))
      expect(loadTimm(network, family, stored).sort()).toEqual(parameters.sort())

      const features = network.predict(
        tf.transpose(tf.tensor(picture.values, picture.shape), [0, 2, 3, 1]),
      ) as tf.Tensor[]
      expect(features.map(({ shape }) => shape[3])).toEqual(encoder.channels)
      features.forEach((feature, i) => {
        const wanted = expected.get(`${size}.tap${i}`)!
        const got = tf.transpose(feature, [0, 3, 1, 2])
        expect(got.shape).toEqual(wanted.shape)
        const scale = Math.max(...wanted.values.map(Math.abs), 1)
        const error = tf.max(tf.abs(tf.sub(got, tf.tensor(wanted.values, wanted.shape)))).dataSync()[0]!
        expect(error / scale).toBeLessThan(2e-4)
      })
      network.dispose()
    })
    expect(tf.memory().numTensors).toBe(before)
  })
})
