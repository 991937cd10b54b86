import * as tf from '@tensorflow/tfjs-core'
import { expect, test } from 'vitest'
import { expectAgreement, uniform } from '../agreement.js'

const transpositions = [false, true].flatMap(a => [false, true].map(b => [a, b] as const))

const turned = (batch: number[], rows: number, columns: number, turn: boolean): number[] => [
  ...batch,
  ...(turn ? [columns, rows] : [rows, columns]),
]

export const matMul = (): void => {
  test.each([
    // Rows, terms, columns: around the sizes of a register block, of a packed strip and of a packed block.
    [1, 1, 1],
    [1, 7, 20],
    [20, 7, 1],
    [4, 4, 8],
    [3, 5, 7],
    [5, 9, 12],
    [9, 255, 131],
    [6, 257, 128],
    [13, 515, 17],
  ])('%i x %i times %i columns, transposed in every way, once and in batches', async (rows, depth, columns) => {
    for (const [transposeA, transposeB] of transpositions) {
      await expectAgreement(() =>
        [[], [3]].map((batch, seed) =>
          tf.matMul(
            uniform(turned(batch, rows, depth, transposeA), 2 * seed),
            uniform(turned(batch, depth, columns, transposeB), 2 * seed + 1),
            transposeA,
            transposeB,
          ),
        ),
      )
    }
  })

  test.each([
    [[1], [3]],
    [[3], [1]],
    [
      [2, 2],
      [1, 1],
    ],
    [[], [2]],
    [[2], [3, 2]],
    // tfjs confuses the matrices of these two.
    [
      [2, 1],
      [2, 3],
    ],
    [
      [2, 1, 2],
      [3, 1],
    ],
  ])('batches %j and %j are broadcast', async (ofA, ofB) => {
    await tf.setBackend('wasm')
    const batch = tf.broadcast_util.assertAndGetBroadcastShape(ofA, ofB)
    for (const [transposeA, transposeB] of transpositions) {
      tf.tidy(() => {
        const a = uniform(turned(ofA, 5, 6, transposeA), 1)
        const b = uniform(turned(ofB, 6, 9, transposeB), 2)
        const product = tf.matMul(a, b, transposeA, transposeB)
        const repeated = (x: tf.Tensor) => tf.broadcastTo(x, [...batch, ...x.shape.slice(-2)])
        const expected = tf.matMul(repeated(a), repeated(b), transposeA, transposeB)
        expect(product.shape).toEqual([...batch, 5, 9])
        expect([...product.dataSync()]).toEqual([...expected.dataSync()])
      })
    }
  })

  test('a sum of no terms is zero, and a product of nothing is empty', async () => {
    for (const [transposeA, transposeB] of transpositions) {
      await tf.setBackend('wasm')
      tf.tidy(() => {
        for (const batch of [[], [2]]) {
          const used = tf.fill([50], 1)
          used.dispose()
          const zeros = tf.matMul(
            tf.zeros(turned(batch, 5, 0, transposeA)),
            tf.zeros(turned(batch, 0, 4, transposeB)),
            transposeA,
            transposeB,
          )
          expect(zeros.shape).toEqual([...batch, 5, 4])
          expect(new Set(zeros.dataSync())).toEqual(new Set([0]))
        }
        const empty = tf.matMul(
          tf.zeros(turned([0], 5, 3, transposeA)),
          tf.zeros(turned([0], 3, 4, transposeB)),
          transposeA,
          transposeB,
        )
        expect(empty.shape).toEqual([0, 5, 4])
      })
    }
  })

  test('the gradients of products', async () => {
    for (const [transposeA, transposeB] of transpositions) {
      await expectAgreement(() => {
        const a = uniform(turned([2], 6, 10, transposeA), 1)
        const b = uniform(turned([2], 10, 9, transposeB), 2)
        const multiply = (a: tf.Tensor, b: tf.Tensor) => tf.matMul(a, b, transposeA, transposeB)
        return tf.grads(multiply)([a, b], uniform([2, 6, 9], 3))
      })
    }
  })

  test('what is not a number stays so, in its row only', async () => {
    await tf.setBackend('wasm')
    const values = tf.tidy(() =>
      tf
        .matMul(tf.tensor2d([1, Number.NaN, 3, 4], [2, 2]), tf.tensor2d([1, 1, 1, 1], [2, 2]), false, true)
        .dataSync<'float32'>(),
    )
    expect([...values]).toEqual([Number.NaN, Number.NaN, 7, 7])
  })

  test('shapes that do not fit are refused as tfjs refuses them', async () => {
    await tf.setBackend('wasm')
    tf.tidy(() => {
      expect(() => tf.matMul(tf.zeros([2, 3]), tf.zeros([2, 3]))).toThrow('inner shapes (3) and (2)')
      expect(() => tf.matMul(tf.zeros([2, 3, 3]), tf.zeros([3, 3, 3]))).toThrow('broadcast')
    })
  })
}
