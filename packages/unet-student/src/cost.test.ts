import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { mobilenetEncoder } from '@fx/mobilenet-encoder'
import { input, layers, model, type SymbolicTensor } from '@tensorflow/tfjs-layers'
import { expect, test } from 'vitest'
import { cost, formatCost, unetStudent } from './index.js'

/** `[8, 8, 2]` -> strided convolution -> two branches -> sum -> dense. */
const branched = () => {
  const x = input({ name: 'x', shape: [8, 8, 2] })
  const a = layers.conv2d({ name: 'a', filters: 4, kernelSize: 3, strides: 2, padding: 'same' }).apply(x)
  const b = layers.depthwiseConv2d({ name: 'b', kernelSize: 5, padding: 'same', depthMultiplier: 1 }).apply(a)
  const c = layers.conv2dTranspose({ name: 'c', filters: 4, kernelSize: 1 }).apply(b)
  const sum = layers.add({ name: 'sum' }).apply([a as SymbolicTensor, c as SymbolicTensor])
  const d = layers.dense({ name: 'd', units: 3 }).apply(sum)
  return model({ inputs: x, outputs: d as SymbolicTensor })
}

test('multiplications, weights and living tensors of a small graph, by hand', () => {
  const network = branched()
  const report = cost(network)
  const rows = report.layers.map(l => [l.name, l.macs, l.parameters, l.activationBytes / 4, l.liveBytes / 4])
  expect(rows).toEqual([
    ['x', 0, 0, 128, 128],
    ['a', 4 * 4 * 4 * 9 * 2, 4 * 9 * 2 + 4, 64, 128 + 64],
    ['b', 4 * 4 * 4 * 25, 4 * 25 + 4, 64, 64 + 64],
    // `a` waits for the sum while `c` is made of `b`.
    ['c', 4 * 4 * 4 * 4, 4 * 4 + 4, 64, 64 + 64 + 64],
    ['sum', 0, 0, 64, 64 + 64 + 64],
    ['d', 4 * 4 * 4 * 3, 4 * 3 + 3, 48, 64 + 48],
  ])
  expect(report.peakActivationBytes).toBe(192 * 4)
  expect(report.parameters).toBe(network.countParams())
  expect(report.trainableParameters).toBe(report.parameters)
  network.dispose()
})

test('a layer used twice is paid twice and owned once', () => {
  const x = input({ shape: [4, 4, 2] })
  const shared = layers.conv2d({ filters: 2, kernelSize: 1, useBias: false })
  const network = model({ inputs: x, outputs: shared.apply(shared.apply(x)) as SymbolicTensor })
  expect(cost(network)).toMatchObject({ macs: 2 * 16 * 4, parameters: 4 })
  network.dispose()
})

test('the student of width 0.5 at 256x256, and the table', () => {
  const before = tf.memory().numTensors
  const student = unetStudent({ inputSize: 256, encoder: mobilenetEncoder({ width: 0.5 }), head: 'direct' })
  const report = cost(student.model)
  expect(report.macs).toBe(216_682_496)
  expect(report.parameters).toBe(537_579)
  const lines = formatCost(report, { top: 3 }).split('\n')
  expect(lines).toHaveLength(5)
  expect(lines[0]).toMatch(/^layer +output +MMAC +parameters +live MiB$/)
  expect(lines.at(-1)).toMatch(/^total +/)
  expect(formatCost(report).split('\n')).toHaveLength(student.model.layers.length + 2)
  student.dispose()
  expect(tf.memory().numTensors).toBe(before)
})

test('what cannot be counted is refused, not guessed', () => {
  const open = input({ shape: [null, null, 3] })
  const anySize = model({ inputs: open, outputs: layers.reLU().apply(open) as SymbolicTensor })
  expect(() => cost(anySize)).toThrow(expect.objectContaining({ code: 'unsupported' }))

  const x = input({ shape: [4, 4] })
  const sound = model({
    inputs: x,
    outputs: layers.conv1d({ name: 'tone', filters: 2, kernelSize: 3 }).apply(x) as SymbolicTensor,
  })
  expect(() => cost(sound)).toThrow(/cannot count the layer 'tone' of class Conv1D/)
  sound.dispose()
})
