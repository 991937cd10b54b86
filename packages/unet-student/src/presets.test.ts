import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { mobilenetEncoder } from '@fx/mobilenet-encoder'
import { expect, test } from 'vitest'
import { cost, type Preset, studentPresets, unetStudent } from './index.js'

const presets = Object.entries(studentPresets) as [Preset, (typeof studentPresets)[Preset]][]

const presetCost = (preset: Preset) => {
  const student = unetStudent({ preset, inputSize: 256 })
  const { macs } = cost(student.model)
  student.dispose()
  return macs
}

test('each preset stays within its budget at 256 pixels, and is larger than the one before', () => {
  const before = tf.memory().numTensors
  const macs = presets.map(([preset]) => presetCost(preset))
  for (const [i, [, { budgetMmacs }]] of presets.entries()) {
    expect(macs[i]).toBeLessThanOrEqual(budgetMmacs * 1e6)
    expect(macs[i]).toBeGreaterThan(macs[i - 1] ?? 0)
  }
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
