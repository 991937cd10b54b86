import { prepareBackend } from '@fx/backend'
import { mobilenetEncoder } from '@fx/mobilenet-encoder'
import * as tf from '@tensorflow/tfjs-core'
import { expect, test } from 'vitest'
import { followStrength } from './strength.js'

test('a student trained on random strengths follows the one that it is asked for', async () => {
  await prepareBackend({ backend: 'wasm' })
  const before = tf.memory().numTensors
  const rows = await followStrength({
    size: 32,
    pairs: 128,
    steps: 80,
    batchSize: 8,
    heldOut: 16,
    student: { encoder: mobilenetEncoder({ width: 0.25, depth: 0.5 }), decoder: { skip: 'add' } },
  })
  expect(tf.memory().numTensors).toBe(before)
  const measured = rows.map(row => row.measured)
  for (let i = 1; i < measured.length; i++) expect(measured[i]!).toBeGreaterThan(measured[i - 1]! + 0.05)
  expect(measured[0]).toBe(0)
  expect(rows[0]!.psnrToInput).toBeGreaterThan(40)
})
