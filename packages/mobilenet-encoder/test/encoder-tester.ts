import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { type Encoder, encoderFromSpec } from '@fx/mobilenet-encoder'
import { input, type LayersModel, model } from '@tensorflow/tfjs-layers'
import { expect, test } from 'vitest'

/** The layers that an encoder may be made of: all are Keras's own, under the same name and with the same options. */
const kerasLayers = [
  'InputLayer',
  'Conv2D',
  'DepthwiseConv2D',
  'BatchNormalization',
  'ReLU',
  'Add',
  'Multiply',
  'Rescaling',
  'GlobalAveragePooling2D',
  'Reshape',
  'ZeroPadding2D',
]

const modelOf = (encoder: Encoder, [height, width, channels]: readonly [number, number, number]): LayersModel => {
  const image = input({ shape: [height, width, channels] })
  return model({ inputs: image, outputs: encoder.apply(image, { seed: 1 }) })
}

/** A residual block begins as the identity, and then no gradient reaches its inside. */
const openResiduals = (network: LayersModel): void =>
  tf.tidy(() => {
    for (const weight of network.trainableWeights) {
      if (weight.originalName.endsWith('/gamma')) weight.write(tf.onesLike(weight.read()))
    }
  })

/** What every encoder must pass, whatever its family. Keep it small, since the gradients run in plain JavaScript. */
export const testEncoder = (name: string, build: () => Encoder, channels = 3): void => {
  const withModel = (
    size: readonly [number, number],
    check: (network: LayersModel, encoder: Encoder) => void,
  ): void => {
    const before = tf.memory().numTensors
    const encoder = build()
    const network = modelOf(encoder, [...size, channels])
    check(network, encoder)
    network.dispose()
    expect(tf.memory().numTensors).toBe(before)
  }

  test(`${name}: what it says of its features is true`, () =>
    withModel([64, 96], (network, { strides, channels }) => {
      expect(network.outputs.map(({ shape }) => shape)).toEqual(
        strides.map((stride, i) => [null, 64 / stride, 96 / stride, channels[i]]),
      )
      strides.forEach((stride, i) => void expect(stride).toBe(2 * (strides[i - 1] ?? 1)))
    }))

  test(`${name}: gives features of odd sizes, and gradients to every weight`, () =>
    withModel([35, 45], (network, { strides, spec }) => {
      openResiduals(network)
      const image = tf.randomUniform([2, 35, 45, channels], -1, 1, 'float32', 1)
      if (spec.padding !== 'keras') {
        expect(network.outputs.map(({ shape }) => shape.slice(1, 3))).toEqual(
          strides.map(stride => [Math.ceil(35 / stride), Math.ceil(45 / stride)]),
        )
      }
      const { value, grads } = tf.variableGrads(() => {
        const features = network.apply(image, { training: true }) as tf.Tensor[]
        // Weighted at random: the mean of what a batch normalisation gives does not depend on its input.
        const terms = features.map((feature, i) =>
          tf.mean(tf.mul(feature, tf.randomNormal(feature.shape, 0, 1, 'float32', 2 + i))),
        )
        return tf.addN(terms) as tf.Scalar
      })
      expect(Object.keys(grads).sort()).toEqual(network.trainableWeights.map(weight => weight.name).sort())
      for (const [weight, gradient] of Object.entries(grads)) {
        const values = gradient.dataSync()
        expect(values.every(Number.isFinite), weight).toBe(true)
        expect(
          values.some(x => x !== 0),
          weight,
        ).toBe(true)
      }
      tf.dispose([image, value, grads])
    }))

  test(`${name}: a spec rebuilds it, of standard Keras layers under unique names`, () =>
    withModel([64, 96], (network, encoder) => {
      const again = encoderFromSpec(JSON.parse(JSON.stringify(encoder.spec)))
      expect(again.spec).toEqual(encoder.spec)
      expect(again.channels).toEqual(encoder.channels)
      const copy = modelOf(again, [64, 96, channels])
      const layersOf = ({ layers }: LayersModel) => layers.map(layer => [layer.name, layer.getConfig()])
      expect(layersOf(copy).slice(1)).toEqual(layersOf(network).slice(1))
      copy.dispose()
      expect(new Set(network.layers.map(layer => layer.name)).size).toBe(network.layers.length)
      for (const layer of network.layers) expect(kerasLayers).toContain(layer.getClassName())
    }))
}
