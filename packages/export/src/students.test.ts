import { encoderFamilies, type MobilenetEncoderOptions, mobilenetEncoder } from '@fx/mobilenet-encoder'
import {
  decoderBlocks,
  headActivations,
  heads,
  resolutions,
  skips,
  type UnetStudentOptions,
  unetStudent,
  upsamplings,
} from '@fx/unet-student'
import * as tf from '@tensorflow/tfjs-core'
import type { LayersModel } from '@tensorflow/tfjs-layers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Engine, engines, useBackend } from '../test/backends.js'
import { compareWithExport } from '../test/difference.js'
import { randomiseWeights, type TestStudentOptions, testStudent } from '../test/student.js'
import { freezeInput, importLayersModel, optimize } from './index.js'

const expectEqual = async (model: LayersModel, engine: Engine): Promise<void> => {
  const { difference, spread } = await compareWithExport(model, { engine })
  expect(spread).toBeGreaterThan(0.1)
  expect(difference).toBeLessThan(1e-4)
}

describe.each(engines)('on %s', engine => {
  let before = 0
  beforeEach(async () => {
    await useBackend(engine)
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
    await expectEqual(model, engine)
    model.dispose()
  })

  /** Every family, and every value of every option of decoder and head with several others. */
  const most = Math.max(2 * encoderFamilies.length, 12)
  const zoo = Array.from({ length: most }, (_, i) => {
    const pick = <T>(values: readonly T[], every = 1): T => values[Math.floor(i / every) % values.length]!
    const head = pick(heads)
    const options: Omit<UnetStudentOptions, 'inputSize' | 'encoder'> = {
      head,
      headActivation: pick(headActivations[head], 3),
      headKernelSize: i % 5 === 4 ? 1 : 3,
      decoder: {
        skip: pick(skips, 2),
        upsampling: pick(upsamplings),
        resolution: pick(resolutions, 4),
        block: pick(decoderBlocks, 2),
        squeezeExcite: i % 5 === 1,
      },
      parameters: i % 3 === 2 ? { strength: { min: 0, max: 1 }, hue: { min: 0, max: 1 } } : {},
    }
    return { family: pick(encoderFamilies), width: i < encoderFamilies.length ? 0.35 : 0.1, ...options }
  })
  test.each(zoo)('the student %o equals its export to 1e-4', async ({ family, width, ...options }) => {
    const student = unetStudent({ inputSize: 32, encoder: mobilenetEncoder({ family, width }), ...options })
    randomiseWeights(student.model, `${family} ${width}`)
    await expectEqual(student.model, engine)
    student.dispose()
  })

  test.each<[UnetStudentOptions['inputSize'], MobilenetEncoderOptions, Partial<UnetStudentOptions>]>([
    [{ height: 33, width: 47 }, {}, { decoder: { resolution: 'half' }, headActivation: 'hardSigmoid' }],
    [{ height: 47, width: 33 }, {}, { head: 'residual', decoder: { skip: 'add', upsampling: 'nearest' } }],
    // Large enough for its concatenations to be taken apart.
    [{ height: 65, width: 131 }, {}, { parameters: { strength: { min: 0, max: 1 } } }],
    [{ height: 50, width: 70 }, { family: 'v4-conv-small' }, { head: 'direct' }],
    [17, { family: 'v3-small' }, {}],
  ])('the student of %o, %o, %o equals its export to 1e-4', async (inputSize, encoder, options) => {
    const student = unetStudent({ inputSize, encoder: mobilenetEncoder({ width: 0.1, ...encoder }), ...options })
    randomiseWeights(student.model, JSON.stringify(inputSize))
    await expectEqual(student.model, engine)
    student.dispose()
  })
})

test('a frozen parameter folds at an odd size, too: only crops are more', async () => {
  await useBackend('cpu')
  const kinds = async (inputSize: number) => {
    const student = unetStudent({
      inputSize,
      encoder: mobilenetEncoder({ width: 0.1 }),
      parameters: { strength: { min: 0, max: 1 } },
    })
    const graph = await importLayersModel(student.model)
    const { nodes } = optimize(freezeInput('parameters', [0.5])(graph))
    student.dispose()
    return nodes.map(({ op }) => op)
  }
  const odd = await kinds(33)
  expect(odd.filter(op => op === 'crop')).toHaveLength(5)
  expect(odd.filter(op => op !== 'crop').sort()).toEqual((await kinds(32)).sort())
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
