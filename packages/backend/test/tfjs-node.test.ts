import { createRequire } from 'node:module'
import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, test } from 'vitest'
import { prepareBackend } from '../src/index.js'
import { optimizers } from './suites/optimizers.js'

const installed = (() => {
  try {
    return Boolean(createRequire(import.meta.url).resolve('@tensorflow/tfjs-node'))
  } catch {
    return false
  }
})()

if (installed) {
  describe('tfjs-node', async () => {
    const prepared = await prepareBackend({ backend: 'tfjs-node' })
    await import('@tensorflow/tfjs-layers')

    test('is chosen by auto', async () => {
      expect(prepared).toMatchObject({ name: 'tfjs-node', simd: false })
      expect((await prepareBackend({ backend: 'auto' })).name).toBe(process.env.FX_BACKEND || 'tfjs-node')
    })

    test('has right gradients of both kinds of convolution', async () => {
      await prepareBackend({ backend: 'tfjs-node' })
      const image = tf.ones([1, 4, 4, 1]) as tf.Tensor4D
      const filter = tf.ones([3, 3, 1, 1]) as tf.Tensor4D
      for (const convolve of [tf.conv2d, tf.depthwiseConv2d]) {
        const [dx, dw] = tf.grads((x, w) => convolve(x as tf.Tensor4D, w as tf.Tensor4D, 1, 'same'))([image, filter])
        expect([...dx!.dataSync()]).toEqual([4, 6, 6, 4, 6, 9, 9, 6, 6, 9, 9, 6, 4, 6, 6, 4])
        expect([...dw!.dataSync()]).toEqual([9, 12, 9, 12, 16, 12, 9, 12, 9])
        tf.dispose([dx!, dw!])
      }
      tf.dispose([image, filter])
    })

    describe('optimisers', () => optimizers('tensorflow'))
  })
} else {
  test('tfjs-node is not installed here, and asking for it says what to install', async () => {
    console.warn('tfjs-node is not installed, so its tests did not run: npm run setup:tfjs-node provides it.')
    await expect(prepareBackend({ backend: 'tfjs-node' })).rejects.toThrow(
      expect.objectContaining({ code: 'backend-unavailable', message: expect.stringMatching(/setup:tfjs-node/) }),
    )
  })
}
