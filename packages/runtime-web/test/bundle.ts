import { seededRandom } from '@fx/core'
import { writeEffectBundle } from '@fx/export/node'
import * as tf from '@tensorflow/tfjs-core'
import * as tfl from '@tensorflow/tfjs-layers'
import '@tensorflow/tfjs-backend-cpu'

/** Side of the test student's images. */
export const size = 32

/** Seeded RGBA noise over a gradient, opaque. */
export const picture = (seed: number, width = size, height = size): Uint8ClampedArray => {
  const random = seededRandom('picture', seed)
  return Uint8ClampedArray.from({ length: width * height * 4 }, (_, i) => {
    if (i % 4 === 3) return 255
    const x = ((i >> 2) % width) / width
    return x * 128 + random.uniform() * 127
  })
}

/** A small UNet of standard layers with random weights and random batch-norm statistics. */
const testStudent = (): tfl.LayersModel => {
  type Tensor = tfl.SymbolicTensor
  const apply = (layer: tfl.layers.Layer, x: Tensor | Tensor[]) => layer.apply(x) as Tensor
  const block = (x: Tensor, filters: number, strides: number) => {
    const layer = tfl.layers.separableConv2d({ filters, kernelSize: 3, strides, padding: 'same' })
    return apply(tfl.layers.reLU({ maxValue: 6 }), apply(tfl.layers.batchNormalization(), apply(layer, x)))
  }
  const up = (x: Tensor) => apply(tfl.layers.upSampling2d({ size: [2, 2], interpolation: 'bilinear' }), x)
  const input = tfl.input({ shape: [size, size, 3] })
  const half = block(input, 8, 2)
  const quarter = block(half, 16, 2)
  const back = block(apply(tfl.layers.concatenate(), [up(quarter), half]), 8, 1)
  const full = block(apply(tfl.layers.concatenate(), [up(back), input]), 8, 1)
  const output = apply(tfl.layers.conv2d({ filters: 3, kernelSize: 3, padding: 'same', activation: 'sigmoid' }), full)
  const model = tfl.model({ inputs: input, outputs: output })
  const random = seededRandom('weights')
  model.setWeights(
    model.weights.map(({ originalName, shape }) => {
      const draw = originalName.includes('variance') ? () => 0.3 + random.uniform() : () => random.normal() * 0.6
      return tf.tensor(Float32Array.from({ length: tf.util.sizeFromShape(shape as number[]) }, draw), shape as number[])
    }),
  )
  return model
}

/** Writes the test bundle and answers like its LayersModel, computed in Node on the cpu backend. */
export const writeTestBundle = async (folder: string) => {
  await tf.setBackend('cpu')
  await tf.ready()
  const model = testStudent()
  const rgb = (rgba: Uint8ClampedArray) => Uint8Array.from(rgba.filter((_, i) => i % 4 !== 3))
  await writeEffectBundle(folder, {
    model,
    effect: { id: 'test', prompt: 'a test', parameters: {} },
    studentSpecHash: 'test',
    probe: { width: size, height: size, data: rgb(picture(0)) },
    card: {
      name: 'Test',
      description: '',
      licence: 'CC0-1.0',
      provenance: { teacher: 'none', teacherVersion: '1', licences: [] },
      metrics: {},
    },
  })
  return {
    /** RGB bytes, not rounded. */
    answer: (rgba: Uint8ClampedArray): Float32Array =>
      tf.tidy(() => {
        const input = tf.div(tf.tensor4d(rgb(rgba), [1, size, size, 3], 'float32'), 255)
        return tf.mul(model.predict(input) as tf.Tensor, 255).dataSync() as Float32Array
      }),
  }
}
