// Loading tfjs-layers registers tfjs's gradients.
import '@tensorflow/tfjs-layers'
import { readFileSync } from 'node:fs'
import { loadFloat32, openCheckpoint } from '@fx/weights'
import * as tf from '@tensorflow/tfjs-core'
import { expect } from 'vitest'
import { imagenUnet, type NamedWeight, parseUnetConfig, type UnetConfig } from '../src/imagen.js'

const fixture = (name: string): URL => new URL(`../fixtures/diffusion/${name}`, import.meta.url)

/** The arrays of a golden file, in PyTorch's layout. */
export const readArrays = async (name: string): Promise<Map<string, NamedWeight>> => {
  const { tensors } = await openCheckpoint(readFileSync(fixture(`${name}.safetensors`)))
  const arrays = new Map<string, NamedWeight>()
  for (const [key, tensor] of tensors) arrays.set(key, { shape: tensor.shape, data: await loadFloat32(tensor) })
  return arrays
}

export const readJson = (name: string): unknown => JSON.parse(readFileSync(fixture(`${name}.json`), 'utf8'))

/** A golden array as a tensor. */
export const toTensor = ({ shape, data }: NamedWeight): tf.Tensor => tf.tensor(data, [...shape], 'float32')

/** `[N, C, H, W]` to `[N, H, W, C]`. */
export const toNhwc = (array: NamedWeight): tf.Tensor4D => tf.transpose(toTensor(array), [0, 2, 3, 1]) as tf.Tensor4D

export const toNchw = (x: tf.Tensor4D): tf.Tensor4D => tf.transpose(x, [0, 3, 1, 2])

/** A reference UNet: `stage1`, or the super-resolution `stage2_sr`. */
export const openUnet = async (
  name: 'stage1' | 'stage2_sr',
  options: { trainable?: boolean; config?: Partial<UnetConfig> } = {},
) => {
  const config = { ...parseUnetConfig(readJson(`${name}.unet_config`)), ...options.config }
  return imagenUnet({ config, weights: await readArrays(`${name}.unet`), trainable: options.trainable ?? false })
}

/** Within the tolerance, `atol + rtol |expected|`, everywhere. */
export const expectClose = (
  actual: tf.Tensor,
  expected: NamedWeight,
  { atol, rtol }: { atol: number; rtol: number },
): void => {
  expect(actual.shape).toEqual(expected.shape)
  const values = actual.dataSync()
  let worst = -1
  let excess = 0
  values.forEach((value, i) => {
    const over = Math.abs(value - expected.data[i]!) - atol - rtol * Math.abs(expected.data[i]!)
    // Written so that NaN counts as wrong.
    if (!(over <= excess)) [worst, excess] = [i, over]
  })
  expect(worst === -1 ? 'within the tolerance' : `at ${worst}: ${values[worst]} for ${expected.data[worst]}`).toBe(
    'within the tolerance',
  )
}
