import { type BackendName, prepareBackend } from '@fx/backend'
import { installTrainingKernels } from '@fx/backend/training'
import * as tf from '@tensorflow/tfjs-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { type NamedWeight, parseT5Config, t5Encoder } from '../../src/imagen.js'
import { expectClose, readArrays, readJson } from '../imagen.js'

const TOLERANCE = { atol: 5e-5, rtol: 5e-5 }

const rowsOf = ({ shape, data }: NamedWeight): number[][] =>
  Array.from({ length: shape[0]! }, (_, row) => [...data.subarray(row * shape[1]!, (row + 1) * shape[1]!)])

/** The reference T5 against the values of transformers, and its gradients against differences. */
export const t5Suite = (backend: BackendName): void => {
  let tensors = 0
  let uninstall: () => void
  beforeAll(async () => {
    await prepareBackend({ backend, threads: 1 })
    uninstall = await installTrainingKernels()
  })
  afterAll(() => uninstall())
  beforeEach(() => {
    tensors = tf.memory().numTensors
  })
  afterEach(() => {
    expect(tf.memory().numTensors).toBe(tensors)
  })

  const open = async (trainable: boolean) =>
    t5Encoder({ config: parseT5Config(readJson('t5_config')), weights: await readArrays('t5'), trainable })

  test.each([false, true])(
    'hidden states with and without a mask, and of a long text (trainable: %s)',
    async trainable => {
      const golden = await readArrays('t5.expected')
      const t5 = await open(trainable)
      const ids = rowsOf(golden.get('input_ids')!)
      tf.tidy(() => {
        expectClose(t5.encode(ids, rowsOf(golden.get('attention_mask')!)), golden.get('hidden_masked')!, TOLERANCE)
        expectClose(t5.encode(ids), golden.get('hidden_unmasked')!, TOLERANCE)
        expectClose(t5.encode(rowsOf(golden.get('long_ids')!)), golden.get('hidden_long')!, TOLERANCE)
      })
      t5.dispose()
    },
  )

  test('gradients', async () => {
    const t5 = await open(true)
    const ids = [
      [5, 17, 119, 1],
      [8, 1, 0, 0],
    ]
    const mask = [
      [1, 1, 1, 1],
      [1, 1, 0, 0],
    ]
    const judge = tf.randomNormal([2, 4, t5.config.dModel], 0, 1, 'float32', 4)
    const loss = () => tf.mean(tf.mul(t5.encode(ids, mask), judge)) as tf.Scalar
    const { value, grads } = tf.variableGrads(loss, [...t5.variables])
    // One step along a random direction moves every parameter, so none can be wrong unnoticed.
    const directions = t5.variables.map((variable, i) => tf.randomNormal(variable.shape, 0, 1, 'float32', 10 + i))
    const along = t5.variables.reduce(
      (sum, variable, i) => sum + tf.tidy(() => tf.sum(tf.mul(grads[variable.name]!, directions[i]!)).dataSync()[0]!),
      0,
    )
    const at = (amount: number): number => {
      t5.variables.forEach((variable, i) => {
        tf.tidy(() => variable.assign(tf.add(variable, tf.mul(directions[i]!, amount))))
      })
      return tf.tidy(() => loss().dataSync()[0]!)
    }
    const step = 1e-3
    const [above, below] = [at(step), at(-2 * step)]
    expect(Math.abs((above - below) / (2 * step) / along - 1)).toBeLessThan(0.02)
    tf.dispose([value, grads, directions, judge])
    t5.dispose()
  })
}
