import { readFileSync } from 'node:fs'
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { type EncoderFamily, encoderFamilies, mobilenetEncoder } from '@fx/mobilenet-encoder'
import { input, type LayersModel, model, type SymbolicTensor } from '@tensorflow/tfjs-layers'
import { expect, test } from 'vitest'

const size = 224

/** Parameters of the whole classifiers in timm, and of their heads: convolution, its bias or normalisation, classifier. */
const classifiers: Record<EncoderFamily, [number, number]> = {
  v1: [4_231_976, 1025 * 1000],
  v2: [3_504_872, 322 * 1280 + 1281 * 1000],
  'v3-small': [2_542_856, 577 * 1024 + 1025 * 1000],
  'v3-large': [5_483_032, 961 * 1280 + 1281 * 1000],
  'v4-conv-small': [3_774_024, 962 * 1280 + 1281 * 1000],
  'v4-conv-medium': [9_715_512, 962 * 1280 + 1281 * 1000],
}

const product = (shape: readonly (number | null)[]): number => tf.util.sizeFromShape(shape as number[])

/** Multiply-accumulates of the convolutions, as the papers count them. */
const macs = ({ layers }: LayersModel): number =>
  layers
    .filter(layer => /Conv2D$/.test(layer.getClassName()))
    .reduce((sum, layer) => {
      const [, height, width] = (layer.output as SymbolicTensor).shape
      return sum + height! * width! * product(layer.weights[0]!.shape)
    }, 0)

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')

/** The cells after the family's name, of the table of families. */
const rowOf = (family: EncoderFamily): string[] => {
  const row = readme.split('\n').find(line => line.startsWith(`| \`'${family}'\``))!
  return row
    .split('|')
    .slice(2, -1)
    .map(cell => cell.trim())
}

test.each(encoderFamilies)('%s has the parameters of the reference, and its README is true', family => {
  const encoder = mobilenetEncoder({ family })
  const image = input({ shape: [size, size, 3] })
  const network = model({ inputs: image, outputs: encoder.apply(image) })
  const parameters = network.trainableWeights.reduce((sum, { shape }) => sum + product(shape), 0)
  const [whole, head] = classifiers[family]
  expect(parameters).toBe(whole - head)
  expect(rowOf(family)).toEqual([
    (macs(network) / 1e6).toFixed(0),
    `${(parameters / 1e6).toFixed(2)} M`,
    encoder.channels.join(', '),
    expect.any(String),
  ])
  network.dispose()
})
