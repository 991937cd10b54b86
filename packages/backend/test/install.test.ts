import * as tf from '@tensorflow/tfjs-core'
import { expect, test } from 'vitest'
import { prepareBackend } from '../src/index.js'
import { installTrainingKernels } from '../src/training.js'

const registrations = () => ({
  kernels: new Map(tf.getKernelsForBackend('wasm').map(config => [config.kernelName, config])),
  gradients: new Map(
    Object.values(tf).flatMap(name => (typeof name === 'string' ? [[name, tf.getGradient(name)]] : [])),
  ),
})

test('installing is counted, and the last uninstall restores every registration', async () => {
  await prepareBackend({ backend: 'wasm', threads: 1 })
  await expect(installTrainingKernels()).rejects.toThrow(expect.objectContaining({ code: 'missing-package' }))
  await import('@tensorflow/tfjs-layers')

  const before = registrations()
  const first = await installTrainingKernels()
  const installed = registrations()
  expect(installed.kernels.has(tf.Conv2DBackpropFilter)).toBe(true)
  expect(installed.gradients.get(tf.Relu6)).not.toBe(before.gradients.get(tf.Relu6))

  const second = await installTrainingKernels()
  expect(registrations()).toEqual(installed)
  first()
  first()
  expect(registrations()).toEqual(installed)
  second()
  const after = registrations()
  expect(after.kernels.size).toBe(before.kernels.size)
  for (const [name, config] of before.kernels) expect(after.kernels.get(name), name).toBe(config)
  for (const [name, config] of before.gradients) expect(after.gradients.get(name), name).toBe(config)

  const third = await installTrainingKernels()
  expect([...registrations().kernels.keys()].sort()).toEqual([...installed.kernels.keys()].sort())
  third()
})
