import { readFileSync } from 'node:fs'
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { type EncoderFamily, mobilenetEncoder } from '@fx/mobilenet-encoder'
import { input, type LayersModel, type layers, model } from '@tensorflow/tfjs-layers'
import { expect, test } from 'vitest'
import { timmModule } from './timm-names.js'

type Layer = layers.Layer

interface Reference {
  /** Layer, channels, stride. */
  taps: [string, number, number][]
  /** Name, OIHW shape of the weight, stride, groups. */
  convs?: [string, number[], number, number][]
  params_backbone?: number
  params_no_top?: number
}

const tables: Record<string, Record<string, Reference>> = JSON.parse(
  readFileSync(new URL('./fixtures/channel-tables.json', import.meta.url), 'utf8'),
)

const families: Record<string, EncoderFamily> = {
  mobilenetv1: 'v1',
  mobilenetv2: 'v2',
  mobilenetv3_small: 'v3-small',
  mobilenetv3_large: 'v3-large',
  mobilenetv4_conv_small: 'v4-conv-small',
  mobilenetv4_conv_medium: 'v4-conv-medium',
  keras_mobilenet_v1: 'v1',
  keras_mobilenet_v2: 'v2',
  keras_mobilenet_v3_small: 'v3-small',
  keras_mobilenet_v3_large: 'v3-large',
}

const size = 32

/** Builds the model, gives it to `check`, and frees it. */
const withModel = (encoder: ReturnType<typeof mobilenetEncoder>, check: (network: LayersModel) => void): void => {
  const image = input({ shape: [size, size, 3] })
  const network = model({ inputs: image, outputs: encoder.apply(image) })
  check(network)
  network.dispose()
}

const parameters = (weights: LayersModel['weights']): number =>
  weights.reduce((sum, { shape }) => sum + tf.util.sizeFromShape(shape as number[]), 0)

const cases = (keras: boolean): [string, string, Reference][] =>
  Object.entries(tables).flatMap(([width, table]) =>
    Object.entries(table)
      .filter(([name]) => name.startsWith('keras_') === keras)
      .map(([name, reference]): [string, string, Reference] => [name, width, reference]),
  )

/** Of a convolution: OIHW shape, stride and groups, as PyTorch writes them. */
const torchShape = (layer: Layer): [number[], number, number] => {
  const [height, width, from, to] = layer.weights[0]!.shape as [number, number, number, number]
  const stride = (layer.getConfig().strides as number[])[0]!
  return layer.getClassName() === 'DepthwiseConv2D'
    ? [[from, 1, height, width], stride, from]
    : [[to, from, height, width], stride, 1]
}

test.each(cases(false))('timm %s, width %s: features, convolutions and parameters', (name, width, reference) => {
  const family = families[name]!
  const encoder = mobilenetEncoder({ family, width: Number(width), convention: 'timm' })
  expect(encoder.channels).toEqual(reference.taps.map(([, channels]) => channels))
  expect(encoder.strides).toEqual(reference.taps.map(([, , stride]) => stride))
  withModel(encoder, network => {
    expect(parameters(network.trainableWeights)).toBe(reference.params_backbone)
    if (reference.convs === undefined) return
    const module = timmModule(family)
    const convolutions = network.layers
      .filter(layer => /^(Depthwise)?Conv2D$/.test(layer.getClassName()))
      .map(layer => [module(layer.name), ...torchShape(layer)])
    expect(convolutions).toEqual(reference.convs)
  })
})

/** MobileNetV2 of keras.applications ends in a convolution that is part of the head here. */
const kerasHead = ({ taps }: Reference, features: number): number => {
  const head = taps.find(([layer]) => layer === 'out_relu')?.[1]
  return head === undefined ? 0 : (features + 4) * head
}

test.each(cases(true))('%s, width %s: layers and parameters', (name, width, reference) => {
  const encoder = mobilenetEncoder({ family: families[name]!, width: Number(width) })
  withModel(encoder, network => {
    for (const [layer, channels, stride] of reference.taps) {
      if (layer === 'out_relu') continue
      expect(network.getLayer(layer).outputShape, layer).toEqual([null, size / stride, size / stride, channels])
    }
    expect(parameters(network.weights)).toBe(reference.params_no_top! - kerasHead(reference, encoder.channels[4]!))
  })
})
