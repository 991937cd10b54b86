import * as tf from '@tensorflow/tfjs-core'
import { expect, test } from 'vitest'
import { randomImages } from '../test/helpers.js'
import { lossSuite, onEachBackend, value } from '../test/suite.js'
import { identityLoss } from './index.js'

/** Stands for a face network: a fixed random projection of the images, less their mean grey. */
const embed = (images: tf.Tensor4D): tf.Tensor2D => {
  const rows = tf.reshape(tf.sub(images, 0.5), [images.shape[0], -1])
  const projection = tf.reshape(randomImages([rows.shape[1]!, 16, 1, 1], 'projection', -1, 1), [rows.shape[1]!, 16])
  return tf.matMul(rows, projection) as tf.Tensor2D
}
const loss = identityLoss(embed)

// Many images have one embedding, so the descent is judged on the loss itself.
lossSuite([{ name: 'identityLoss', loss, distance: loss }])

onEachBackend(() => {
  test('it is one minus the mean cosine, whatever the lengths', () => {
    const vectors = (rows: number[][]) => tf.tensor4d(rows.flat(), [rows.length, 1, 1, 2])
    const itself = identityLoss(images => tf.reshape(images, [-1, 2]))
    const p = vectors([
      [3, 0],
      [1, 1],
    ])
    const t = vectors([
      [5, 0],
      [-2, 0],
    ])
    expect(value(itself(p, t))).toBeCloseTo(1 - (1 - Math.SQRT1_2) / 2, 5)
    expect(value(itself(p, tf.neg(p)))).toBeCloseTo(2, 5)
  })

  test('embeddings of zeros give a loss of 1 and a finite gradient', () => {
    const black = tf.zeros([1, 2, 2, 3]) as tf.Tensor4D
    const zeros = identityLoss(images => tf.reshape(images, [images.shape[0], -1]))
    const { value: v, grad } = tf.valueAndGrad(x => zeros(x as tf.Tensor4D, black))(black)
    expect(value(v)).toBe(1)
    expect(grad.dataSync().every(Number.isFinite)).toBe(true)
  })
})

test('an embedder that does not give one row an image is named', () => {
  const image = randomImages([2, 4, 4, 3], 'image')
  const flat = identityLoss(images => tf.reshape(images, [1, -1]))
  expect(() => flat(image, image)).toThrow(/the embedder must give \[2, D\], got \[1, 96\]/)
})
