import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { mobilenetEncoder } from '@fx/mobilenet-encoder'
import { input, type LayersModel, model } from '@tensorflow/tfjs-layers'
import { expect, test } from 'vitest'
import { readSafetensors, type StoredTensor } from './safetensors.js'

const fixture = (name: string) => readSafetensors(new URL(`./fixtures/${name}.safetensors`, import.meta.url))

/** timm's name of the module that a Keras layer is, for instance `blocks.1.0.conv_dw` for `block_1_depthwise`. */
const timmModules = (): Map<string, string> => {
  const repeats = [1, 2, 3, 4, 3, 3, 1]
  const modules = new Map([
    ['Conv1', 'conv_stem'],
    ['bn_Conv1', 'bn1'],
  ])
  let block = 0
  repeats.forEach((count, stage) => {
    for (let i = 0; i < count; i++, block++) {
      const keras = block === 0 ? 'expanded_conv' : `block_${block}`
      const parts =
        block === 0
          ? { depthwise: 'conv_dw', depthwise_BN: 'bn1', project: 'conv_pw', project_BN: 'bn2' }
          : {
              expand: 'conv_pw',
              expand_BN: 'bn1',
              depthwise: 'conv_dw',
              depthwise_BN: 'bn2',
              project: 'conv_pwl',
              project_BN: 'bn3',
            }
      for (const [suffix, module] of Object.entries(parts)) {
        modules.set(`${keras}_${suffix}`, `blocks.${stage}.${i}.${module}`)
      }
    }
  })
  return modules
}

const parameterNames: Record<string, string> = {
  kernel: 'weight',
  depthwise_kernel: 'weight',
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

const loadTimm = (network: LayersModel): number => {
  const stored = fixture('mobilenetv2.timm')
  const modules = timmModules()
  const values = network.weights.map(weight => {
    const [layer, name] = weight.originalName.split('/') as [string, string]
    return asTensor(stored.get(`${modules.get(layer)}.${parameterNames[name]}`)!, name)
  })
  network.setWeights(values)
  return stored.size
}

test.each(['64x64', '51x67'])('with the weights of timm it computes what timm computes, at %s', size => {
  tf.tidy(() => {
    const encoder = mobilenetEncoder({ width: 0.1, padding: 'symmetric', batchNormEpsilon: 1e-5 })
    const expected = fixture('mobilenetv2.expected')
    const picture = expected.get(`${size}.input`)!
    const [, , height, width] = picture.shape as [number, number, number, number]
    const image = input({ shape: [height, width, 3] })
    const network = model({ inputs: image, outputs: encoder.apply(image) })
    const stored = loadTimm(network)
    // PyTorch also counts the batches each batch normalisation has seen.
    const counters = [...fixture('mobilenetv2.timm').keys()].filter(name => name.endsWith('num_batches_tracked')).length
    expect(network.weights.length).toBe(stored - counters)

    const taps = network.predict(tf.transpose(tf.tensor(picture.values, picture.shape), [0, 2, 3, 1])) as tf.Tensor[]
    taps.forEach((tap, i) => {
      const wanted = expected.get(`${size}.tap${i}`)!
      const got = tf.transpose(tap, [0, 3, 1, 2])
      expect(got.shape).toEqual(wanted.shape)
      const scale = Math.max(...wanted.values.map(Math.abs), 1)
      const error = tf.max(tf.abs(tf.sub(got, tf.tensor(wanted.values, wanted.shape)))).dataSync()[0]!
      expect(error / scale).toBeLessThan(2e-4)
    })
    network.dispose()
  })
})
