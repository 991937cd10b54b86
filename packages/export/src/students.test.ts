import { mobilenetEncoder } from '@fx/mobilenet-encoder'
import { heads, unetStudent, upsamplings } from '@fx/unet-student'
import * as tf from '@tensorflow/tfjs-core'
import type { LayersModel } from '@tensorflow/tfjs-layers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { backends, useBackend } from '../test/backends.js'
import { compareWithExport } from '../test/difference.js'
import { randomiseWeights, type TestStudentOptions, testStudent } from '../test/student.js'
import { importLayersModel, optimize } from './index.js'

const expectEqual = async (model: LayersModel): Promise<void> => {
  const { difference, spread } = await compareWithExport(model)
  expect(spread).toBeGreaterThan(0.1)
  expect(difference).toBeLessThan(1e-4)
}

describe.each(backends)('on %s', backend => {
  let before = 0
  beforeEach(async () => {
    await useBackend(backend)
    before = tf.memory().numTensors
  })
  afterEach(() => expect(tf.memory().numTensors).toBe(before))

  const variants: [string, Partial<TestStudentOptions>][] = [
    ['a bilinear UNet', {}],
    ['nearest upsampling', { upsampling: 'nearest' }],
    ['a residual head', { head: 'residual' }],
    ['a hard sigmoid head', { head: 'hard' }],
    ['explicit padding', { padding: 'explicit' }],
    ['half the width', { width: 0.5, head: 'residual', upsampling: 'nearest', padding: 'explicit' }],
  ]
  test.each(variants)('%s equals its export to 1e-4', async (_, options) => {
    const model = testStudent(options)
    await expectEqual(model)
    model.dispose()
  })

  const students = heads.flatMap((head, i) => [
    { head, width: 0.5, upsampling: upsamplings[i % upsamplings.length]! },
    { head, width: 0.35, upsampling: upsamplings[(i + 1) % upsamplings.length]! },
  ])
  test.each(students)(
    'the $head student of width $width with $upsampling upsampling equals its export to 1e-4',
    async ({ head, width, upsampling }) => {
      const student = unetStudent({
        inputSize: 32,
        encoder: mobilenetEncoder({ width }),
        decoder: { upsampling },
        head,
      })
      randomiseWeights(student.model, `${head} ${width}`)
      await expectEqual(student.model)
      student.dispose()
    },
  )
})

test('a student becomes convolutions, additions, resizes and concatenations: no normalisation is left', async () => {
  await useBackend('cpu')
  const student = unetStudent({ inputSize: 32, encoder: mobilenetEncoder({ width: 0.35 }), head: 'direct' })
  const raw = await importLayersModel(student.model)
  const { nodes } = optimize(raw)
  const kinds = new Set(nodes.map(({ op }) => op))
  expect([...kinds].sort()).toEqual(['binary', 'concat', 'conv2d', 'depthwiseConv2d', 'input', 'resize'])
  expect(raw.nodes.length).toBeGreaterThan(2 * nodes.length)
  student.dispose()
})
