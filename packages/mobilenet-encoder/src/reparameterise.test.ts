import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { input, type LayersModel, model } from '@tensorflow/tfjs-layers'
import { expect, test } from 'vitest'
import { type MobilenetEncoderOptions, mobilenetEncoder, reparameterise } from './index.js'

const build = (options: MobilenetEncoderOptions): LayersModel => {
  const image = input({ shape: [32, 32, 3] })
  const encoder = mobilenetEncoder({ family: 'v3-small', width: 0.1, depth: 0.5, ...options })
  return model({ inputs: image, outputs: encoder.apply(image) })
}

test('a model without branches computes what the one with branches does', () => {
  const before = tf.memory().numTensors
  const trained = build({ branches: 2 })
  const plain = build({})
  tf.tidy(() => {
    trained.weights.forEach((weight, i) => {
      if (!/_(BN|bn)\//.test(weight.originalName)) return
      const isCentred = /beta|mean/.test(weight.originalName)
      weight.write(
        tf.randomUniform(weight.shape as number[], isCentred ? -0.2 : 0.4, isCentred ? 0.2 : 0.8, 'float32', i),
      )
    })
    reparameterise(trained, plain)
    const image = tf.randomUniform([1, 32, 32, 3], -1, 1, 'float32', 1)
    const expected = trained.predict(image) as tf.Tensor[]
    const got = plain.predict(image) as tf.Tensor[]
    expected.forEach((feature, i) => {
      const scale = tf.max(tf.abs(feature)).dataSync()[0]!
      expect(scale).toBeGreaterThan(0.01)
      expect(tf.max(tf.abs(tf.sub(got[i]!, feature))).dataSync()[0]! / scale).toBeLessThan(1e-4)
    })
  })
  trained.dispose()
  plain.dispose()
  expect(tf.memory().numTensors).toBe(before)
})

test('models that do not belong together are refused', () => {
  const trained = build({ branches: 2 })
  const before = tf.memory().numTensors
  for (const [options, message] of [
    [{ width: 0.5 }, /layer '\w+' has weights of [\dx,]+, not [\dx,]+; the second model must be the first one/],
    [{ family: 'v1' }, /layer 'conv1' is not in the first/],
  ] as const) {
    const other = build(options)
    expect(() => reparameterise(trained, other)).toThrow(message)
    expect(() => reparameterise(trained, other)).toThrow(expect.objectContaining({ code: 'shape-mismatch' }))
    other.dispose()
  }
  expect(tf.memory().numTensors).toBe(before)
  trained.dispose()
})
