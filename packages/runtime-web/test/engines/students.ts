import { type EffectSpec, seededRandom } from '@fx/core'
import { writeEffectBundle } from '@fx/export/node'
import * as tf from '@tensorflow/tfjs-core'
import * as tfl from '@tensorflow/tfjs-layers'
import { picture } from '../bundle.js'
import '@tensorflow/tfjs-backend-cpu'

/** Side of the students' pictures, and of the smaller one's. */
export const size = 64
export const smallerSize = 32

type Tensor = tfl.SymbolicTensor
type Kind = 'plain' | 'ranged' | 'conditioned' | 'matte'
type Range = [number, number]

const unit: Range = [0, 1]
const ranges: Partial<Record<Kind, { input: Range; output: Range }>> = {
  ranged: { input: [-1, 1], output: [-0.5, 1.25] },
}

const effects: Record<Kind, EffectSpec> = {
  plain: { id: 'plain', prompt: 'a test', parameters: {} },
  ranged: { id: 'ranged', prompt: 'a test', parameters: {} },
  conditioned: {
    id: 'conditioned',
    prompt: 'a test',
    parameters: { strength: { min: 0, max: 1, default: 0.75 }, warmth: { min: -1, max: 1, default: 0 } },
  },
  matte: { id: 'matte', prompt: 'a test', parameters: {} },
}

/** A UNet of standard layers with random weights, seeded; of any size it has the same ones. */
const student = (kind: Kind, side: number): tfl.LayersModel => {
  const apply = (layer: tfl.layers.Layer, x: Tensor | Tensor[]) => layer.apply(x) as Tensor
  const conv = (x: Tensor, filters: number, more: object) =>
    apply(tfl.layers.conv2d({ filters, kernelSize: 3, padding: 'same', ...more }), x)
  const block = (x: Tensor, filters: number, strides: number) => {
    const layer = tfl.layers.separableConv2d({ filters, kernelSize: 3, strides, padding: 'same' })
    return apply(tfl.layers.reLU({ maxValue: 6 }), apply(tfl.layers.batchNormalization(), apply(layer, x)))
  }
  const up = (x: Tensor) => apply(tfl.layers.upSampling2d({ size: [2, 2], interpolation: 'bilinear' }), x)
  const image = tfl.input({ shape: [side, side, 3] })
  const parameters = kind === 'conditioned' ? tfl.input({ shape: [2] }) : undefined
  const half = block(image, 8, 2)
  let quarter = block(half, 16, 2)
  if (parameters !== undefined) {
    const gains = apply(tfl.layers.dense({ units: 16 }), parameters)
    quarter = apply(tfl.layers.multiply(), [quarter, apply(tfl.layers.reshape({ targetShape: [1, 1, 16] }), gains)])
  }
  const back = block(apply(tfl.layers.concatenate(), [up(quarter), half]), 8, 1)
  const full = block(apply(tfl.layers.concatenate(), [up(back), image]), 8, 1)
  let output = conv(full, 3, { activation: 'sigmoid', name: `paint` })
  if (kind === 'matte') {
    const alpha = conv(full, 1, { activation: 'sigmoid', name: 'alpha' })
    const rest = apply(tfl.layers.rescaling({ scale: -1, offset: 1 }), alpha)
    const over = [apply(tfl.layers.multiply(), [output, alpha]), apply(tfl.layers.multiply(), [image, rest])]
    output = apply(tfl.layers.add(), over)
  }
  const inputs = parameters === undefined ? [image] : [image, parameters]
  const model = tfl.model({ inputs, outputs: output })
  const random = seededRandom('weights')
  model.setWeights(
    model.weights.map(({ originalName, shape }) => {
      const draw = originalName.includes('variance') ? () => 0.3 + random.uniform() : () => random.normal() * 0.6
      return tf.tensor(Float32Array.from({ length: tf.util.sizeFromShape(shape as number[]) }, draw), shape as number[])
    }),
  )
  return model
}

const rgbOf = (rgba: Uint8ClampedArray): Uint8Array => Uint8Array.from(rgba.filter((_, i) => i % 4 !== 3))

/** Writes a bundle with a TensorFlow Lite file and a smaller model; answers like its LayersModels, in Node on the cpu backend. */
export const writeStudent = async (folder: string, kind: Kind) => {
  await tf.setBackend('cpu')
  const model = student(kind, size)
  const small = student(kind, smallerSize)
  const { input, output } = ranges[kind] ?? { input: unit, output: unit }
  await writeEffectBundle(folder, {
    model,
    smaller: [small],
    tflite: true,
    matte: kind === 'matte',
    inputRange: input,
    outputRange: output,
    effect: effects[kind],
    studentSpecHash: 'test',
    probe: { width: size, height: size, data: rgbOf(picture(0, size, size)) },
    card: {
      name: 'Test',
      description: '',
      licence: 'CC0-1.0',
      provenance: { teacher: 'none', teacherVersion: '1', licences: [] },
      metrics: {},
    },
  })
  return {
    /** RGB bytes, not rounded: the student's picture, a matte over `rgba`. */
    answer: (rgba: Uint8ClampedArray, values: number[] = []): Float32Array =>
      tf.tidy(() => {
        const side = Math.sqrt(rgba.length / 4)
        const pixels = tf.tensor4d(rgbOf(rgba), [1, side, side, 3], 'float32')
        const image = tf.add(tf.mul(pixels, (input[1] - input[0]) / 255), input[0])
        const inputs = values.length === 0 ? image : [image, tf.tensor2d([values])]
        const picture = (side === size ? model : small).predict(inputs) as tf.Tensor
        const bytes = tf.mul(tf.sub(picture, output[0]), 255 / (output[1] - output[0]))
        return tf.clipByValue(bytes, 0, 255).dataSync() as Float32Array
      }),
  }
}
