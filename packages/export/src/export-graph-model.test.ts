import * as tfc from '@tensorflow/tfjs-converter'
import * as tf from '@tensorflow/tfjs-core'
import type { LayersModel } from '@tensorflow/tfjs-layers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { backends, useBackend } from '../test/backends.js'
import { randomInput, type TestStudentOptions, testStudent } from '../test/student.js'
import { exportGraphModel, type GraphModelOptions } from './index.js'

/** Largest difference between a model and its export, as stock tfjs-converter runs it. */
const difference = async (model: LayersModel, options?: GraphModelOptions, batch = 2): Promise<number> => {
  const artifacts = await exportGraphModel(model, options)
  const exported = await tfc.loadGraphModel(tf.io.fromMemory(artifacts))
  const input = randomInput([batch, ...(model.inputs[0]!.shape.slice(1) as number[])])
  const before = tf.memory().numTensors
  const result = tf.tidy(() => {
    const expected = model.predict(input) as tf.Tensor
    const actual = exported.predict(input) as tf.Tensor
    expect(actual.shape).toEqual(expected.shape)
    expect(tf.max(tf.abs(tf.sub(expected, tf.mean(expected)))).dataSync()[0]).toBeGreaterThan(0.1)
    return tf.max(tf.abs(tf.sub(expected, actual))).dataSync()[0]!
  })
  expect(tf.memory().numTensors).toBe(before)
  exported.dispose()
  input.dispose()
  return result
}

describe.each(backends)('on %s', backend => {
  let before = 0
  beforeEach(async () => {
    await useBackend(backend)
    before = tf.memory().numTensors
  })
  afterEach(() => expect(tf.memory().numTensors).toBe(before))

  const variants: [string, Partial<TestStudentOptions>][] = [
    ['a bilinear student', {}],
    ['nearest upsampling', { upsampling: 'nearest' }],
    ['a residual head', { head: 'residual' }],
    ['a hard sigmoid head', { head: 'hard' }],
    ['explicit padding', { padding: 'explicit' }],
    ['half the width', { width: 0.5, head: 'residual', upsampling: 'nearest', padding: 'explicit' }],
  ]
  test.each(variants)('%s equals its export to 1e-4', async (_, options) => {
    const model = testStudent(options)
    expect(await difference(model)).toBeLessThan(1e-4)
    model.dispose()
  })
})
