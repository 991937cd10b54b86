import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { mobilenetEncoder } from '@fx/mobilenet-encoder'
import { calibrateBatchNorm } from '@fx/mobilenet-encoder/weights'
import { input, layers, model, type SymbolicTensor } from '@tensorflow/tfjs-layers'
import { expect, test } from 'vitest'

/** A MobileNetV1 as a folded checkpoint leaves it: no statistics, scales and offsets of any size. */
const folded = () => {
  const image = input({ shape: [32, 32, 3] })
  const features = mobilenetEncoder({ family: 'v1', width: 0.1, depth: 0.3 }).apply(image, { seed: 3 })
  const other = layers.batchNormalization({ name: 'decoder_BN' }).apply(features.at(-1)!) as SymbolicTensor
  const network = model({ inputs: image, outputs: [...features, other] })
  tf.tidy(() => {
    network.trainableWeights.forEach((weight, i) => {
      if (!/conv.*(gamma|beta)/.test(weight.originalName)) return
      const low = weight.originalName.endsWith('gamma') ? 1 : -0.5
      weight.write(tf.randomUniform(weight.shape.map(Number), low, low + 1, 'float32', 1 + i))
    })
  })
  return network
}

const difference = (a: tf.Tensor, b: tf.Tensor): number => tf.tidy(() => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0]!)

test('what the encoder computes stays, and training with the same images begins there', () => {
  const before = tf.memory().numTensors
  const network = folded()
  const images = tf.randomUniform<tf.Rank.R4>([3, 32, 32, 3], 0, 1, 'float32', 5)
  const inference = network.predict(images) as tf.Tensor[]
  const [uncalibrated] = tf.tidy(() => (network.apply(images, { training: true }) as tf.Tensor[]).slice(4, 5))
  expect(difference(uncalibrated!, inference[4]!)).toBeGreaterThan(0.1)
  network.dispose()

  const fresh = folded()
  const others = () => fresh.getLayer('decoder_BN').weights.map(weight => [...weight.read().dataSync()])
  const decoder = others()
  calibrateBatchNorm(fresh, images)
  expect(others()).toEqual(decoder)
  const calibrated = fresh.predict(images) as tf.Tensor[]
  const training = fresh.apply(images, { training: true }) as tf.Tensor[]
  for (let i = 0; i < 5; i++) {
    expect(difference(calibrated[i]!, inference[i]!)).toBeLessThan(1e-4)
    expect(difference(training[i]!, inference[i]!)).toBeLessThan(1e-3)
  }
  tf.dispose([inference, uncalibrated!, calibrated, training, images])
  fresh.dispose()
  expect(tf.memory().numTensors).toBe(before)
})

test('images of another size and models without an encoder are refused', () => {
  const before = tf.memory().numTensors
  const network = folded()
  const small = tf.zeros<tf.Rank.R4>([1, 16, 32, 3])
  expect(() => calibrateBatchNorm(network, small)).toThrow(
    expect.objectContaining({
      code: 'shape-mismatch',
      message: 'images are [1, 16, 32, 3]; the model takes [any, 32, 32, 3]',
    }),
  )
  const image = input({ shape: [16, 32, 3] })
  const plain = model({ inputs: image, outputs: layers.flatten().apply(image) as SymbolicTensor })
  expect(() => calibrateBatchNorm(plain, small)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
  network.dispose()
  plain.dispose()
  small.dispose()
  expect(tf.memory().numTensors).toBe(before)
})
