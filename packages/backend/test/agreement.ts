import * as tf from '@tensorflow/tfjs-core'
import { expect } from 'vitest'
import { relativeDifference } from './compare.js'

type Run = () => tf.Tensor[]

/** The values of the tensors that `run` makes, on one backend. */
const valuesOn = async (backend: string, run: Run): Promise<Float32Array[]> => {
  await tf.setBackend(backend)
  const before = tf.memory().numTensors
  const values = tf.tidy(() => run().map(tensor => tensor.dataSync<'float32'>().slice()))
  expect(tf.memory().numTensors).toBe(before)
  return values
}

/** `run` makes on wasm what it makes on cpu, within `tolerance` of the largest value, and leaves no tensor behind. */
export const expectAgreement = async (run: Run, tolerance = 1e-5): Promise<void> => {
  const expected = await valuesOn('cpu', run)
  const actual = await valuesOn('wasm', run)
  actual.forEach((values, i) => {
    expect(relativeDifference(values, expected[i]!), `output ${i}`).toBeLessThan(tolerance)
  })
}

export const uniform = (shape: number[], seed: number, low = -1, high = 1) =>
  tf.randomUniform(shape, low, high, 'float32', seed)
