// Loading tfjs-layers registers tfjs's gradients.
import '@tensorflow/tfjs-layers'
import { readFileSync } from 'node:fs'
import { openCheckpoint } from '@fx/weights'
import * as tf from '@tensorflow/tfjs-core'
import { expect } from 'vitest'
import {
  type NamedWeight,
  type NamedWeights,
  readStylegan2,
  selectWeights,
  stylegan2Discriminator,
  stylegan2Generator,
} from '../src/stylegan2.js'

const fixture = (name: string): URL => new URL(`../fixtures/stylegan2/${name}`, import.meta.url)

/** The float32 arrays of a safetensors file, in PyTorch's layout. */
export const readArrays = (name: string): NamedWeights => {
  const bytes = readFileSync(fixture(name))
  const start = 8 + Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.subarray(8, start).toString()) as Record<
    string,
    { shape: number[]; data_offsets: [number, number] }
  >
  return new Map(
    Object.entries(header).map(([key, { shape, data_offsets }]) => {
      const [from, to] = data_offsets
      return [key, { shape, data: new Float32Array(Uint8Array.from(bytes.subarray(start + from, start + to)).buffer) }]
    }),
  )
}

// The conditional networks lie in a pickle of StyleGAN2-ADA, beside the values that belong to them.
const conditional = await readStylegan2(await openCheckpoint(readFileSync(fixture('cond.ada.pkl'))), {
  discriminator: true,
})

const networkArrays = (name: 'uncond' | 'cond'): NamedWeights => {
  const arrays = readArrays(`${name}.safetensors`)
  if (name === 'uncond') return arrays
  const below = (prefix: string, weights: NamedWeights) =>
    [...weights].map(([key, weight]): [string, NamedWeight] => [prefix + key, weight])
  const { generator, discriminator } = conditional
  return new Map([...arrays, ...below('G.', generator.weights), ...below('D.', discriminator!.weights)])
}

/** The L2 norm of each parameter's gradient, by loss and ADA name. */
export const readGradientNorms = (name: string): Record<string, Record<string, number>> =>
  JSON.parse(readFileSync(fixture(name), 'utf8'))

const common = { resolution: 32, convClamp: 256 }
export const generatorConfig = { ...common, zDim: 32, wDim: 32, mappingLayers: 2, channelBase: 1024, channelMax: 32 }
const discriminatorConfig = { ...common, channelBase: 512, channelMax: 16 }

/** A reference network pair and the values that belong to it. */
export const openGolden = (name: 'uncond' | 'cond', trainable = false) => {
  const arrays = networkArrays(name)
  const cDim = name === 'cond' ? 3 : 0
  const generator = stylegan2Generator({
    config: { ...generatorConfig, cDim },
    weights: selectWeights(arrays, 'G.'),
    trainable,
  })
  const discriminator = stylegan2Discriminator({
    config: { ...discriminatorConfig, cDim },
    weights: selectWeights(arrays, 'D.'),
    trainable,
  })
  const tensor = <T extends tf.Tensor>(key: string): T => {
    const { shape, data } = arrays.get(key)!
    return tf.tensor(data, [...shape]) as T
  }
  return {
    generator,
    discriminator,
    arrays,
    tensor,
    /** An image batch as NHWC. */
    images: (key: string): tf.Tensor4D => tf.transpose(tensor<tf.Tensor4D>(key), [0, 2, 3, 1]),
    /** Compares all elements: `|a - b| <= atol + rtol |b|`. Images in NHWC are compared with NCHW references. */
    expectClose(actual: tf.Tensor, key: string, atol: number, rtol = atol): void {
      const { shape, data } = arrays.get(key)!
      const ordered = actual.rank === 4 ? tf.transpose(actual, [0, 3, 1, 2]) : actual
      expect(ordered.size, key).toBe(data.length)
      if (shape.length > 1) expect(ordered.shape, key).toEqual(shape)
      const values = ordered.dataSync()
      const worst = data.reduce((most, v, i) => Math.max(most, Math.abs(v - values[i]!) - rtol * Math.abs(v)), 0)
      expect(worst, key).toBeLessThanOrEqual(atol)
    },
    dispose() {
      generator.dispose()
      discriminator.dispose()
    },
  }
}

/** Compares the gradients of all parameters with the norms of the reference; tiny ones only in size. */
export const expectGradientNorms = (
  parameters: ReadonlyMap<string, tf.Tensor>,
  gradients: tf.NamedTensorMap,
  expected: Record<string, number>,
): void => {
  const most = Math.max(...Object.values(expected))
  for (const [name, norm] of Object.entries(expected)) {
    const gradient = gradients[(parameters.get(name) as tf.Variable).name]
    // Without a path to the loss tfjs gives no gradient where PyTorch gives zeros.
    const actual = gradient ? (tf.norm(gradient).dataSync()[0] as number) : 0
    const tolerance = norm < 1e-4 * most ? 2e-4 * most : 1e-5 + 0.002 * norm
    expect(Math.abs(actual - norm), name).toBeLessThanOrEqual(tolerance)
  }
}

/** The parameters that training moves. */
export const trainableOf = (network: { parameters: ReadonlyMap<string, tf.Tensor> }): tf.Variable[] =>
  [...network.parameters.values()].filter(value => (value as tf.Variable).trainable) as tf.Variable[]
