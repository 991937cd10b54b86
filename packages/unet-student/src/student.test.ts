import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { type MobilenetEncoderOptions, mobilenetEncoder } from '@fx/mobilenet-encoder'
import { model, type SymbolicTensor } from '@tensorflow/tfjs-layers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  headActivations,
  parseStudentSpec,
  studentFromSpec,
  studentSpecHash,
  type UnetStudentOptions,
  unetStudent,
} from './index.js'

const tiny = (options: Partial<UnetStudentOptions> = {}, encoder: MobilenetEncoderOptions = {}) =>
  unetStudent({ inputSize: 32, encoder: mobilenetEncoder({ width: 0.1, depth: 0.1, ...encoder }), ...options })

const hue = { name: 'hue', min: 0, max: 360 }

let before = 0
beforeEach(() => {
  before = tf.memory().numTensors
})
afterEach(() => {
  expect(tf.memory().numTensors).toBe(before)
})

describe('heads', () => {
  const meanChange = (options: Partial<UnetStudentOptions>, training: boolean): number =>
    tf.tidy(() => {
      const student = tiny(options, { width: 0.5, depth: 1 })
      const image = tf.randomUniform([2, 32, 32, 3], 0, 1, 'float32', 3)
      const output = student.model.apply(image, { training }) as tf.Tensor
      const change = tf.mean(tf.abs(tf.sub(output, image))).dataSync()[0]!
      student.dispose()
      return change
    })

  const keeping: Partial<UnetStudentOptions>[] = [
    { head: 'residual' },
    { head: 'residual', headActivation: 'linear', decoder: { resolution: 'half' } },
    { head: 'alpha' },
    { head: 'alpha', decoder: { resolution: 'half' } },
    { head: 'alpha', headActivation: 'hardSigmoid', headKernelSize: 1 },
    { head: 'alpha', headActivation: 'linear' },
  ]
  test.each(keeping)('an untrained student nearly keeps the image: %o', options => {
    for (const training of [false, true]) {
      const change = meanChange(options, training)
      expect(change).toBeGreaterThan(0)
      expect(change).toBeLessThan(0.08)
    }
  })

  test.each(headActivations.direct)('an untrained direct student paints grey: %s', headActivation => {
    const change = meanChange({ head: 'direct', headActivation }, false)
    expect(change).toBeGreaterThan(0.2)
    expect(change).toBeLessThan(0.4)
  })

  test('alpha begins near 0.1 and can be looked at', () => {
    const student = tiny()
    const alpha = model({
      inputs: student.model.inputs,
      outputs: student.model.getLayer('alpha').output as SymbolicTensor,
    })
    tf.tidy(() => {
      const values = (alpha.predict(tf.randomUniform([1, 32, 32, 3], 0, 1, 'float32', 3)) as tf.Tensor).dataSync()
      for (const value of values) expect(Math.abs(value - 0.12)).toBeLessThan(0.1)
    })
    student.dispose()
  })

  test.each([
    ['residual', 'delta'],
    ['alpha', 'paint'],
    ['alpha', 'alpha'],
  ] as const)('%s: the first gradient reaches %s and decoder', (head, layer) => {
    const student = tiny({ head })
    tf.tidy(() => {
      const image = tf.randomUniform([2, 32, 32, 3], 0, 1, 'float32', 3)
      const { grads } = tf.variableGrads(
        () => tf.mean(tf.square(tf.sub(student.model.apply(image, { training: true }) as tf.Tensor, 0.5))) as tf.Scalar,
      )
      for (const name of [`${layer}/kernel`, 'decoder_1_reduce/kernel', 'Conv1/kernel']) {
        const weight = student.model.trainableWeights.find(({ originalName }) => originalName === name)!
        expect(tf.max(tf.abs(grads[weight.name]!)).dataSync()[0], name).toBeGreaterThan(0)
      }
    })
    student.dispose()
  })
})

describe('the spec', () => {
  const student = () => {
    const { spec, specHash, dispose } = tiny()
    dispose()
    return { spec, specHash }
  }

  test('the hash is that of the architecture, and the same on every machine', () => {
    expect(student().specHash).toBe('0560a3d2cfe0b8283aff77cdefc9a879b4bff1725a063b673a8b4b3fd85f6879')
    const other = tiny({ head: 'direct' })
    expect(other.specHash).not.toBe(student().specHash)
    other.dispose()
  })

  test('a spec of version 1 is read, and keeps its hash', () => {
    const { headActivation, headKernelSize, parameters, ...spec } = student().spec
    const { block, squeezeExcite, resolution, ...decoder } = spec.decoder
    const parsed = parseStudentSpec({ ...spec, decoder, formatVersion: 1 })
    expect(parsed).toEqual(student().spec)
    expect(studentSpecHash(parsed)).toBe(student().specHash)
  })

  test.each<Partial<UnetStudentOptions>>([
    { headActivation: 'hardSigmoid' },
    { headKernelSize: 1 },
    { decoder: { resolution: 'half' } },
    { decoder: { block: 'depthwiseSeparable' } },
    { decoder: { squeezeExcite: true } },
    { parameters: { hue } },
  ])('every option has its part in the hash: %o', options => {
    const other = tiny(options)
    expect(other.specHash).not.toBe(student().specHash)
    other.dispose()
  })

  test('what only repeats a default changes nothing', () => {
    const explicit = tiny({
      head: 'alpha',
      headActivation: 'sigmoid',
      headKernelSize: 3,
      parameters: {},
      decoder: { width: 0.1, skip: 'concat', blocks: 1, block: 'invertedResidual', channels: undefined },
    })
    expect(explicit.specHash).toBe(student().specHash)
    explicit.dispose()
  })

  test.each([
    ['invalid-argument', () => undefined, /must be an object/],
    ['invalid-argument', () => ({}), /lacks the member 'formatVersion'/],
    ['invalid-argument', () => ({ ...student().spec, formatVersion: '1' }), /formatVersion of a student spec is "1"/],
    ['invalid-argument', () => ({ ...student().spec, teacher: 'x' }), /no member 'teacher'/],
    ['invalid-argument', () => ({ ...student().spec, formatVersion: 1 }), /no member 'headActivation'/],
    [
      'invalid-argument',
      () => ({ ...student().spec, parameters: {} }),
      /parameters is \[object Object\]; it must be a list/,
    ],
    ['invalid-argument', () => ({ ...student().spec, parameters: [hue, hue] }), /parameters has 'hue' more than once/],
    ['invalid-argument', () => ({ ...student().spec, head: 'none' }), /head is "none"; it must be 'direct'/],
    ['invalid-argument', () => ({ ...student().spec, input: { height: 32 } }), /lacks the member 'width'/],
    ['invalid-argument', () => ({ ...student().spec, input: { height: 32, width: 16 } }), /inputSize.width is 16/],
    [
      'invalid-argument',
      () => ({ ...student().spec, decoder: { ...student().spec.decoder, upsampling: 'cubic' } }),
      /decoder.upsampling is "cubic"; it must be 'bilinear' or 'nearest'/,
    ],
    [
      'invalid-argument',
      () => ({ ...student().spec, decoder: { ...student().spec.decoder, channels: [8], blocks: [1] } }),
      /decoder.channels has 1 entries; this encoder gives 5/,
    ],
    ['newer-version', () => ({ ...student().spec, formatVersion: 3, heads: [] }), /this release reads up to 2/],
    [
      'newer-version',
      () => ({ ...student().spec, encoder: { ...student().spec.encoder, formatVersion: 99 } }),
      /encoder spec has format version 99/,
    ],
  ])('%s: a wrong spec', (code, spec, message) => {
    for (const use of [parseStudentSpec, studentFromSpec]) {
      expect(() => use(spec())).toThrow(message)
      expect(() => use(spec())).toThrow(expect.objectContaining({ code }))
    }
  })
})

test.each<[Partial<Record<keyof UnetStudentOptions, unknown>>, RegExp]>([
  [
    { inputSize: 100, encoder: mobilenetEncoder({ padding: 'keras' }) },
    /inputSize.height is 100; with the encoder's padding 'keras' it must be divisible by 32, the nearest are 96 and 128/,
  ],
  [
    { inputSize: { height: 64, width: 20 }, encoder: mobilenetEncoder({ padding: 'keras' }) },
    /inputSize.width is 20; .* divisible by 32, the nearest are 32$/,
  ],
  [{ inputSize: { height: 64, width: 16 } }, /inputSize.width is 16; it must be a whole number from 17 to 4096/],
  [{ inputSize: 32.5 }, /inputSize.height is 32.5; it must be a whole number/],
  [{ inputSize: 0 }, /inputSize.height is 0; it must be a whole number from 17 to 4096/],
  [{ inputSize: Number.NaN }, /inputSize.height is NaN/],
  [{ inputSize: undefined }, /inputSize.height is undefined/],
  [{ head: 'mask' }, /head is "mask"; it must be 'direct', 'residual' or 'alpha'/],
  [
    { head: 'residual', headActivation: 'sigmoid' },
    /headActivation of the head 'residual' is "sigmoid"; it must be 'clip' or 'linear'/,
  ],
  [{ headKernelSize: 5 }, /headKernelSize is 5; it must be 3 or 1/],
  [{ preset: 'tiny' }, /preset is "tiny"; it must be 'nano', 'small', 'base' or 'large'/],
  [{ parameters: { strength: 1 } }, /A parameter of a student lacks the member 'min'/],
  [{ parameters: { strength: { min: 1, max: 0 } } }, /parameters.strength.max is 0; it must be a number from 1 to/],
  [{ parameters: { strength: { min: Number.NaN, max: 0 } } }, /parameters.strength.min is NaN/],
  [{ seed: 0.5 }, /seed is 0.5; it must be a whole number/],
  [{ decoder: { skip: 'sum' } }, /decoder.skip is "sum"; it must be 'concat' or 'add'/],
  [{ decoder: { block: 'resnet' } }, /decoder.block is "resnet"; it must be 'invertedResidual'/],
  [{ decoder: { resolution: 'quarter' } }, /decoder.resolution is "quarter"; it must be 'full' or 'half'/],
  [
    { decoder: { resolution: 'half', channels: [8, 8, 8, 8, 8] } },
    /decoder.channels has 5 entries; .* 5 features, so at half resolution it must have 4/,
  ],
  [{ decoder: { squeezeExcite: 0.25 } }, /decoder.squeezeExcite is 0.25; it must be true or false/],
  [{ decoder: { width: 0 } }, /decoder.width is 0/],
  [{ decoder: { blocks: [1, 2] } }, /decoder.blocks has 2 entries for 5 stages/],
  [{ decoder: { blocks: -1 } }, /decoder.blocks is -1/],
  [{ decoder: { channels: [8, 8, 8, 8, 0] } }, /decoder.channels is 0/],
  [{ decoder: { channels: [] } }, /decoder.channels is \[\]/],
  [{ decoder: { channels: [8, 8] } }, /decoder.channels has 2 entries; this encoder gives 5/],
  [{ decoder: { expansion: Number.NaN } }, /decoder.expansion is NaN/],
])('%o is refused', (options, message) => {
  const build = () => unetStudent({ inputSize: 32, ...options } as UnetStudentOptions)
  expect(build).toThrow(message)
  expect(build).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
})
