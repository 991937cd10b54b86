import { prepareBackend } from '@fx/backend'
import * as tf from '@tensorflow/tfjs-core'
import { expect, test } from 'vitest'
import { pix2pixUnet } from './pix2pix.js'

test('a plain UNet with a residual begins near the identity, one without does not', async () => {
  await prepareBackend({ backend: 'cpu' })
  const before = tf.memory().numTensors
  const distances = (['residual', 'direct'] as const).map(head => {
    const { model } = pix2pixUnet({ size: 16, width: 4, head, seed: 1 })
    const [distance] = tf.tidy(() => {
      const image = tf.randomUniform([2, 16, 16, 3], 0, 1, 'float32', 1)
      return tf.mean(tf.abs(tf.sub(model.predict(image) as tf.Tensor, image))).dataSync()
    })
    model.dispose()
    return distance!
  })
  expect(distances[0]).toBeLessThan(0.02)
  expect(distances[1]).toBeGreaterThan(0.1)
  expect(tf.memory().numTensors).toBe(before)
})
