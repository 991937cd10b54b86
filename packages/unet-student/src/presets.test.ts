import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { mobilenetEncoder } from '@fx/mobilenet-encoder'
import { expect, test } from 'vitest'
import { cost, type Preset, studentPresets, unetStudent } from './index.js'

const presets = Object.entries(studentPresets) as [Preset, (typeof studentPresets)[Preset]][]

test.each(presets)('%s stays within its budget at 256 pixels, and uses most of it', (preset, { budgetMmacs }) => {
  const before = tf.memory().numTensors
  const student = unetStudent({ preset, inputSize: 256 })
  const { macs } = cost(student.model)
  expect(macs).toBeLessThanOrEqual(budgetMmacs * 1e6)
  expect(macs).toBeGreaterThan(0.8 * budgetMmacs * 1e6)
  student.dispose()
  expect(tf.memory().numTensors).toBe(before)
})

test('what is given beside a preset counts instead', () => {
  const student = unetStudent({
    preset: 'nano',
    inputSize: 32,
    encoder: mobilenetEncoder({ width: 0.1 }),
    head: 'direct',
    decoder: { skip: 'concat' },
  })
  expect(student.spec.head).toBe('direct')
  expect(student.spec.encoder.width).toBe(0.1)
  expect(student.spec.decoder.skip).toBe('concat')
  expect(student.spec.decoder.resolution).toBe(studentPresets.nano.decoder.resolution)
  student.dispose()
})
